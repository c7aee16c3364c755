import { setImmediate } from 'node:timers/promises';
import { elementCount } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { elements, joinTexts, stringify } from '../json-text/stringify.ts';
import { ELEMENT_TYPES } from '../../tensor/dtype.ts';
import { joinSmall } from '../reply.ts';
import type { ReplyParts } from '../reply.ts';

/** An output tensor. */
export interface InferenceOutput {
  readonly name: string;
  readonly tensor: Tensor;
  /** True where it is sent as bytes behind the JSON. */
  readonly binary: boolean;
}

/** An answer of the Open Inference Protocol. */
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
  /** Bytes of JSON in front of the tensors; undefined when all of it is JSON. */
  readonly jsonBytes: number | undefined;
}

/** Elements in JSON up to which the JSON is made at once. */
const SMALL_ELEMENTS = 65_536;

/**
 * Encodes an answer as JSON, and behind it the bytes of binary outputs. Numbers that JSON cannot represent become the
 * strings "NaN", "Infinity" and "-Infinity": the only JSON that numpy, and with it tritonclient and KServe's client, reads
 * back as the same numbers. Their parsers (rapidjson and orjson) agree on no other form.
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

/** Made twice, to be measured first: as a whole it may be too large for memory. Lets others run meanwhile. */
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
