/** Names at the top of requests, in one place: every reader knows the same ones. */
import { DTYPES, FLOAT_DTYPES } from '../tensor/dtype.ts';
import type { DType } from '../tensor/dtype.ts';

/** A tensor that requests may have. */
interface TensorField {
  /** True where its bytes are handed on as they come. Other tensors wait in memory. */
  readonly streams: boolean;
  /** Dtypes that it may have. */
  readonly dtypes: readonly DType[];
  /** dtype and shape in words, for messages. */
  readonly expected: string;
}

/** Tensors that requests may have. A kind of evaluation says which of them it requires. */
export const TENSORS = {
  logits: { streams: true, dtypes: FLOAT_DTYPES, expected: 'floating point of shape (N, C) or (…, C)' },
  label: { streams: false, dtypes: DTYPES, expected: 'integers of shape (N,) or (…,)' },
  input_mask: { streams: false, dtypes: DTYPES, expected: 'numbers of the shape of label' },
  weight: { streams: false, dtypes: DTYPES, expected: 'numbers of shape (C,)' },
} as const satisfies Readonly<Record<string, TensorField>>;

export type TensorName = keyof typeof TENSORS;

export const TENSOR_FIELDS = Object.keys(TENSORS) as readonly TensorName[];

/** Fields of the requests of a kind: all tensors, `options`, and values. */
export interface RequestFields {
  /** Tensors that a request must have, in the order in which they are missed. */
  readonly required: readonly TensorName[];
  /** True where a request may have no tensors at all. */
  readonly tensorsOptional?: boolean;
  /** Names of plain values. */
  readonly values: readonly string[];
  /** Names of options, to tell an option in the wrong place from an unknown field. */
  readonly options: readonly string[];
}

export function isTensorName(name: unknown): name is TensorName {
  return typeof name === 'string' && Object.hasOwn(TENSORS, name);
}

/** Returns true for tensors whose bytes are handed on as they come. */
export function isStreamed(name: unknown): name is TensorName {
  return isTensorName(name) && TENSORS[name].streams;
}

/** The fields of every kind of request, whatever its media type. */
const REQUEST_FIELDS = [...TENSOR_FIELDS, 'options'] as const;
export type RequestField = (typeof REQUEST_FIELDS)[number];

/** Names of the fields of a kind of request. */
export function fieldNames({ values }: Pick<RequestFields, 'values'>): readonly string[] {
  return [...REQUEST_FIELDS, ...values];
}

/** Keys of an input of the Open Inference Protocol. */
export const INPUT_KEYS: readonly string[] = ['name', 'shape', 'datatype', 'parameters', 'data'];
