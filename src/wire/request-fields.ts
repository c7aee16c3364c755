/** Top-level names of requests, shared by all codecs. */
import { DTYPES, FLOAT_DTYPES } from '../tensor/dtype.ts';
import type { DType, FloatDType } from '../tensor/dtype.ts';

/** Properties of a tensor that requests may have. */
interface TensorField {
  /** True if its bytes are streamed. Other tensors are buffered. */
  readonly streams: boolean;
  /** Accepted dtypes. */
  readonly dtypes: readonly DType[];
  /** dtype and shape in words, for messages. */
  readonly expected: string;
  /** Dtype of numbers sent without one. If it is int64, numbers that are not all integers are float32. */
  readonly untyped: 'float32' | 'float64' | 'int64';
  /** True if a number may replace a tensor of one entry. */
  readonly scalar?: boolean;
  /** Keys of a map of tensors that may replace the tensor. Each key is the tensor FIELD.KEY. */
  readonly parts?: readonly string[];
  /** True if a llama.cpp logit file may replace the tensor. */
  readonly logitFile?: boolean;
  /** Dtype of a tensor of one axis that is sent as only bytes or base64 text. With a dtype it needs no shape either. */
  readonly flat?: FloatDType;
}

const SMALL = { streams: false, dtypes: DTYPES } as const;

const LOGPROBS: TensorField = {
  streams: false,
  dtypes: FLOAT_DTYPES,
  untyped: 'float64',
  flat: 'float32',
  expected: 'log-probabilities of shape (N,) or (B, T)',
};

/** Tensors that requests may have. Each kind of evaluation accepts some of them. */
export const TENSORS: Readonly<Record<TensorName, TensorField>> = {
  logits: {
    streams: true,
    dtypes: FLOAT_DTYPES,
    untyped: 'float32',
    expected: 'floating point of shape (N, C) or (…, C)',
  },
  reference: {
    streams: true,
    dtypes: FLOAT_DTYPES,
    untyped: 'float32',
    parts: ['indices', 'logprobs'],
    logitFile: true,
    expected: 'floating point of the shape of logits, the top K {"indices", "logprobs"} or {"kld_file"}',
  },
  'reference.indices': { ...SMALL, untyped: 'int64', expected: 'integers of shape (N, K)' },
  'reference.logprobs': { ...SMALL, untyped: 'float64', expected: 'log-probabilities of shape (N, K)' },
  label: { ...SMALL, untyped: 'int64', scalar: true, expected: 'integers of shape (N,) or (…,)' },
  input_mask: { ...SMALL, untyped: 'float32', scalar: true, expected: 'numbers of the shape of label' },
  weight: { ...SMALL, untyped: 'float32', expected: 'numbers of shape (C,)' },
  segments: { ...SMALL, untyped: 'int64', scalar: true, expected: 'integers of shape (S,)' },
  bytes: { ...SMALL, untyped: 'float64', scalar: true, expected: 'a number, or numbers of shape (S,)' },
  words: { ...SMALL, untyped: 'float64', scalar: true, expected: 'a number, or numbers of shape (S,)' },
  old: LOGPROBS,
  new: LOGPROBS,
};

export type TensorName =
  | 'logits'
  | 'reference'
  | 'reference.indices'
  | 'reference.logprobs'
  | 'label'
  | 'input_mask'
  | 'weight'
  | 'segments'
  | 'bytes'
  | 'words'
  | 'old'
  | 'new';

/** All names, for code that does not know the kind of evaluation. */
export const TENSOR_FIELDS = Object.keys(TENSORS) as readonly TensorName[];

/** Fields of the requests of a kind: its tensors, `options`, and values. */
export interface RequestFields {
  /** Tensors that a request may have. */
  readonly tensors: readonly TensorName[];
  /** Required tensors, in the order in which missing ones are reported. */
  readonly required: readonly TensorName[];
  /** True if a request may omit all tensors. */
  readonly tensorsOptional?: boolean;
  /** Names of plain values. */
  readonly values: readonly string[];
  /** Names of options, to distinguish a misplaced option from an unknown field. */
  readonly options: readonly string[];
}

/** Keys of the maps of tensors. */
export const TENSOR_PARTS: readonly string[] = Object.values(TENSORS).flatMap(({ parts = [] }) => parts);

/** Keys of the map of tensors that may replace a tensor. */
export function partsOf(name: TensorName): readonly string[] {
  return TENSORS[name].parts ?? [];
}

export function isPartOf(name: TensorName, key: unknown): boolean {
  return partsOf(name).includes(key as string);
}

export function isTensorName(name: unknown): name is TensorName {
  return typeof name === 'string' && Object.hasOwn(TENSORS, name);
}

/** Returns true for tensors whose bytes are streamed. */
export function isStreamed(name: unknown): name is TensorName {
  return isTensorName(name) && TENSORS[name].streams;
}

/** Names of the fields of a kind of request, for every media type. */
export function fieldNames({ tensors, values }: Pick<RequestFields, 'tensors' | 'values'>): readonly string[] {
  return [...tensors, 'options', ...values];
}

/** Keys of an input of the Open Inference Protocol. */
export const INPUT_KEYS: readonly string[] = ['name', 'shape', 'datatype', 'parameters', 'data'];
