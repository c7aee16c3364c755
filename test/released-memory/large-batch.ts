/** Requests whose chunks, held fields, texts and answers are all large enough to be released. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '../../src/tensor/tensor.ts';
import type { HttpRequest } from '../http-client.ts';
import { INFERENCE_WRITERS, WRITERS, inferenceInput } from '../request-bodies.ts';
import type { Encoded } from '../request-bodies.ts';
import { encode, seededRandom } from '../rows.ts';
import { safetensorsFile } from '../safetensors-file.ts';

const ROWS = 24;
const CLASSES = 3000;

const random = seededRandom(31);
const floats = (shape: readonly number[], scale: number): Tensor => {
  const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * random());
  return { dtype: 'float32', shape: [...shape], data: encode('float32', values) };
};

const logits = floats([ROWS, CLASSES], 20);
const tensors = {
  // Class probabilities are held while the logits stream.
  label: floats([ROWS, CLASSES], 1 / CLASSES),
  input_mask: floats([ROWS], 1),
  weight: floats([CLASSES], 2),
  logits,
} satisfies Record<string, Tensor>;

const outputs = ['per_token_loss', 'lse', 'gradient'];
const options = { reduction: 'sum', outputs };

const ACCEPTED = ['application/json', 'application/vnd.msgpack', 'application/vnd.safetensors'];

/** A request with the name that a test shows. */
export type Named = readonly [name: string, request: HttpRequest & { readonly body: Uint8Array }];

const posted = (path: string, { headers, body }: Encoded, added: HttpRequest['headers'] = {}): Named[1] => ({
  ...{ method: 'POST', path, headers: { ...headers, ...added }, body },
});

function orders(): [string, Record<string, unknown>][] {
  const { logits: first, ...others } = tensors;
  return [
    ['logits last', { options, ...tensors }],
    ['logits first', { logits: first, ...others, options }],
  ];
}

/** The batch in every format, with logits that stream and logits that wait for the other fields. */
export function everyFormat(): Named[] {
  const inputs = Object.entries(tensors).map(([name, tensor]) => inferenceInput(name, tensor));
  const call = { parameters: { reduction: 'sum' }, outputs: outputs.map((name) => ({ name })) };
  const binary = { ...call, parameters: { ...call.parameters, binary_data_output: true } };
  const [json, msgpack, safetensors] = ACCEPTED.map((accept) => ({ accept }));
  const written = orders().flatMap(([order, fields]): Named[] => [
    [`MessagePack, ${order}`, posted('/v1/cross-entropy', WRITERS.msgpack(fields), msgpack)],
    [`msgpack-numpy, ${order}`, posted('/v1/cross-entropy', WRITERS['msgpack numpy'](fields), msgpack)],
    [`JSON, ${order}`, posted('/v1/cross-entropy', WRITERS.json(fields), json)],
    [`JSON with lists, ${order}`, posted('/v1/cross-entropy', WRITERS['json lists'](fields), safetensors)],
    [`safetensors, ${order}`, posted('/v1/cross-entropy', WRITERS.safetensors(fields), safetensors)],
  ]);
  const infer = '/v2/models/cross_entropy/infer';
  return [
    ...written,
    ['Open Inference', posted(infer, INFERENCE_WRITERS.json({ ...call, inputs }))],
    ['Open Inference, binary', posted(infer, INFERENCE_WRITERS.binary({ ...binary, inputs }))],
    [
      'Open Inference, binary, logits first',
      posted(infer, INFERENCE_WRITERS.binary({ ...binary, inputs: inputs.toReversed() }), {
        'accept-encoding': 'gzip',
      }),
    ],
  ];
}

/** Writes files into a data directory. @returns requests that name them */
export function filesIn(folder: string): Named[] {
  const small = { label: floats([4, 16], 1 / 16), logits: floats([4, 16], 5) };
  writeFileSync(join(folder, 'large.safetensors'), safetensorsFile(Object.entries(tensors)));
  writeFileSync(join(folder, 'small.safetensors'), safetensorsFile(Object.entries(small)));
  const referring = (file: string, names: object): object =>
    Object.fromEntries(Object.keys(names).map((tensor) => [tensor, { file, tensor }]));
  const ofLarge = referring('large.safetensors', tensors);
  const label = { dtype: 'int32', shape: [CLASSES], data: new Uint8Array(4 * CLASSES) };
  const batches: [string, object][] = [
    ['large', { ...ofLarge, options }],
    ['small', { ...referring('small.safetensors', small), options }],
    // The classes are the first axis, so the logits are transposed.
    ['moved', { ...referring('large.safetensors', { logits }), label, options: { ...options, class_axis: 0 } }],
    ['logits in a file', { ...tensors, ...referring('large.safetensors', { logits }), options }],
    ['label in a file', { ...referring('large.safetensors', { label: 0 }), logits, options }],
  ];
  return batches.flatMap(([name, fields]): Named[] => [
    [`${name}, JSON`, posted('/v1/cross-entropy', WRITERS.json(fields as Record<string, unknown>))],
    [
      `${name}, MessagePack`,
      posted('/v1/cross-entropy', WRITERS.msgpack(fields as Record<string, unknown>), { accept: ACCEPTED[1]! }),
    ],
  ]);
}
