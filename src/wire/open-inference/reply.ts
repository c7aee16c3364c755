import { setImmediate } from 'node:timers/promises';
import { elementCount } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { elements, joinTexts, stringify } from '../json-text/stringify.ts';
import { ELEMENT_TYPES } from '../../tensor/dtype.ts';
import { joinSmall } from '../reply.ts';
import type { ReplyParts } from '../reply.ts';

/** Output tensor. */
export interface InferenceOutput {
  readonly name: string;
  readonly tensor: Tensor;
  /** True if it is sent as bytes after the JSON. */
  readonly binary: boolean;
}

/** Answer of the Open Inference Protocol. */
export interface InferenceReply {
  readonly modelName: string;
  readonly modelVersion: string;
  /** id of the request. */
  readonly id: string | undefined;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly outputs: readonly InferenceOutput[];
}

interface EncodedReply {
  readonly parts: ReplyParts;
  /** Length in bytes of the JSON before the tensors; undefined if the answer is only JSON. */
  readonly jsonBytes: number | undefined;
}

/** Largest number of elements for which the JSON is made in one step. */
const SMALL_ELEMENTS = 65_536;

/**
 * Encodes an answer as JSON, followed by the bytes of binary outputs. Non-finite numbers become the strings "NaN", "Infinity"
 * and "-Infinity". NumPy, and therefore tritonclient and KServe's client, reads them back as the same numbers. The clients'
 * JSON parsers (rapidjson and orjson) agree on no other form.
 */
export async function encodeInference(reply: InferenceReply): Promise<EncodedReply> {
  const tensors = reply.outputs.filter(({ binary }) => binary).map(({ tensor }) => tensor.data);
  if (tensors.length === 0) return { parts: joinTexts(pieces(reply)), jsonBytes: undefined };

  const inJson = reply.outputs.filter(({ binary }) => !binary);
  const count = inJson.reduce((sum, { tensor }) => sum + elementCount(tensor.shape)!, 0);
  if (count <= SMALL_ELEMENTS) {
    const json = Buffer.from([...pieces(reply)].join(''));
    return { parts: joinSmall([json, ...tensors]), jsonBytes: json.byteLength };
  }
  const parts = (function* all() {
    yield* pieces(reply);
    yield* tensors;
  })();
  return { parts, jsonBytes: await byteLengthOf(pieces(reply)) };
}

/**
 * Measures the texts, which are then made again to be sent: together they may be too large for memory. Yields to the event
 * loop after each text.
 */
async function byteLengthOf(texts: Iterable<string>): Promise<number> {
  let bytes = 0;
  for (const text of texts) {
    bytes += Buffer.byteLength(text);
    await setImmediate();
  }
  return bytes;
}

function* pieces({ modelName, modelVersion, id, parameters, outputs }: InferenceReply): Generator<string> {
  const head = stringify({ model_name: modelName, model_version: modelVersion, id, parameters });
  yield `${head.slice(0, -1)},"outputs":[`;
  for (const [index, { name, tensor, binary }] of outputs.entries()) {
    const { dtype, shape, data } = tensor;
    const parameters = binary ? { binary_data_size: data.byteLength } : undefined;
    const described = stringify({ name, datatype: ELEMENT_TYPES[dtype].openInference, shape, parameters });
    yield (index === 0 ? '' : ',') + described.slice(0, -1);
    if (!binary) {
      yield ',"data":[';
      yield* elements(tensor);
      yield ']';
    }
    yield '}';
  }
  yield ']}';
}
