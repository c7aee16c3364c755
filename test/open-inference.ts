/** Writes requests and reads answers of the Open Inference Protocol, without code of the service's codec. */
import { ELEMENT_TYPES } from '../src/tensor/dtype.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { elementsOf, numbersOf } from '../src/tensor/tensor.ts';
import { dtypeOf } from '../src/wire/tensors/datatype.ts';

export interface InferenceInput {
  name: string;
  tensor: Tensor;
  binary: boolean;
}

/** Entry of an input in the JSON of a request. */
export function inputEntry({ name, tensor, binary }: InferenceInput): Record<string, unknown> {
  const { dtype, shape, data } = tensor;
  const described = { name, shape, datatype: ELEMENT_TYPES[dtype].openInference };
  return binary
    ? { ...described, parameters: { binary_data_size: data.byteLength } }
    : { ...described, data: numbersIn(tensor) };
}

function numbersIn(tensor: Tensor): unknown[] {
  const elements = elementsOf(tensor);
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array) return Array.from(elements, Number);
  return Array.from(numbersOf(tensor), (x) => (Number.isFinite(x) ? x : String(x)));
}

/** Body of a request: its JSON, followed by the bytes of binary inputs. */
export function inferenceBody(
  inputs: readonly InferenceInput[],
  others: Readonly<Record<string, unknown>> = {},
): { jsonBytes: number; body: Buffer } {
  // JSON.stringify writes −0 as 0.
  const text = JSON.stringify({ ...others, inputs: inputs.map(inputEntry) }, (_name, value: unknown) =>
    Object.is(value, -0) ? '−0' : value,
  ).replaceAll('"−0"', '-0');
  const json = Buffer.from(text);
  const tensors = inputs.filter(({ binary }) => binary).map(({ tensor }) => tensor.data);
  return { jsonBytes: json.byteLength, body: Buffer.concat([json, ...tensors]) };
}

export interface InferenceAnswer {
  model_name: string;
  model_version: string;
  id?: string;
  parameters: Record<string, unknown>;
  /** Outputs in their JSON form. */
  outputs: { name: string; datatype: string; shape: number[]; parameters?: unknown; data?: unknown[] }[];
  /** Values of the outputs by name, from the JSON or from the bytes after it. */
  values: Record<string, number[]>;
}

/** @param jsonBytes value of Inference-Header-Content-Length; undefined without it */
export function readInferenceAnswer(body: Buffer, jsonBytes: number | undefined): InferenceAnswer {
  const answer = JSON.parse(body.subarray(0, jsonBytes).toString()) as Omit<InferenceAnswer, 'values'>;
  let at = jsonBytes ?? body.byteLength;
  const values = Object.fromEntries(
    answer.outputs.map(({ name, datatype, shape, parameters, data }) => {
      if (data !== undefined) return [name, data.map(Number)];
      const { binary_data_size: size } = parameters as { binary_data_size: number };
      at += size;
      return [name, [...numbersOf({ dtype: dtypeOf(datatype)!, shape, data: body.subarray(at - size, at) })]];
    }),
  );
  if (at !== body.byteLength) throw new Error(`${body.byteLength - at} bytes follow the outputs`);
  return { ...answer, values };
}
