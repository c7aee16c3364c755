/** Requests and answers of the Open Inference Protocol, made and read by hand. */
import { ELEMENT_TYPES } from '../src/tensor/dtype.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { elementsOf, numbersOf } from '../src/tensor/tensor.ts';
import { dtypeOf } from '../src/wire/tensors/datatype.ts';

export interface InferenceInput {
  name: string;
  tensor: Tensor;
  binary: boolean;
}

/** The entry of an input in the JSON. */
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

/** The body of a request: its JSON, and behind it the bytes of the inputs that are binary. */
export function inferenceBody(
  inputs: readonly InferenceInput[],
  others: Readonly<Record<string, unknown>> = {},
): { jsonBytes: number; body: Buffer } {
  // JSON.stringify has no −0.
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
  /** As they are in the JSON. */
  outputs: { name: string; datatype: string; shape: number[]; parameters?: unknown; data?: unknown[] }[];
  /** Their values, from the JSON or from behind it. */
  values: Record<string, number[]>;
}

/** @param jsonBytes Inference-Header-Content-Length, where there is one */
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
