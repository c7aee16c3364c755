import type { Bytes, Decoding } from './decoding.ts';
import type { HeldBytesAccount } from './body/held-bytes.ts';
import { LossmeterError, refuse } from '../errors.ts';
import { placeIn, pointerTo, showValue, suggestName } from '../suggestion.ts';
import type { DType } from '../tensor/dtype.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import type { LogitFileRows } from '../tensor/logit-file-rows.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Steps } from '../steps.ts';
import { TENSORS, fieldNames } from './request-fields.ts';
import type { RequestFields, TensorName } from './request-fields.ts';

/** Other names under which people send the fields. */
export const SYNONYMS: Readonly<Record<string, TensorName>> = {
  logit: 'logits',
  input: 'logits',
  labels: 'label',
  target: 'label',
  targets: 'label',
  mask: 'input_mask',
  loss_mask: 'input_mask',
  attention_mask: 'input_mask',
  weights: 'weight',
  class_weight: 'weight',
  class_weights: 'weight',
  response_mask: 'input_mask',
  lengths: 'segments',
  // As verl names the sampler's and the trainer's log-probabilities.
  rollout_log_prob: 'old',
  rollout_log_probs: 'old',
  old_log_prob: 'new',
  old_log_probs: 'new',
};

type Fields = Readonly<Record<string, unknown>>;

/** A request without the bytes of its streamed tensor. */
export interface ReadRequest {
  readonly streamed: StreamedTensor;
  /** Tensors that could stream, and came before it: they wait in memory, or stand in a file. */
  readonly before: readonly WaitingTensor[];
  /** The llama.cpp logit file that stands for the reference. */
  readonly logitFile?: ReadLogitFile;
  /** The other fields, as they were decoded; tensors of files are read. */
  readonly fields: Fields;
}

/** A llama.cpp logit file whose labels were read. */
export interface ReadLogitFile extends Omit<LogitFileRows, 'readLabels'> {
  /** The label of each row. */
  readonly labels: Int32Array<ArrayBuffer>;
}

/** Head of the tensor that is handed on as it comes. */
export interface StreamedTensor {
  readonly name: TensorName;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Entries that came as null. */
  readonly nulls?: number;
  /** Place of its bytes when they are not in the request: nothing is written then. */
  readonly source?: FileTensor;
  /** True for an array of msgpack-numpy: outputs are such arrays then. */
  readonly isNumpy?: boolean;
}

/** A tensor that could stream, and waits for the one that does. */
export interface WaitingTensor extends StreamedTensor {
  /** Its bytes; undefined where it has a source. */
  readonly data?: Uint8Array;
}

/** Facts of the request and of the service that decoders need. */
export interface DecodeContext {
  /** Accounts for every byte that has to wait in memory. */
  readonly held: HeldBytesAccount;
  readonly fields: RequestFields;
  readonly maxJsonBytes: number;
  /** Bytes of the whole body, where they are announced. */
  readonly contentLength: number | undefined;
}

/** Reads plain values. */
interface ValueFormat {
  /** Bytes of the longest body that is read. */
  maxBytes(limits: Pick<DecodeContext, 'maxJsonBytes'>): number;
  /** A bound on the memory that the value of a body takes, beside the body. None where bytes stay where they are. */
  neededBytes?(body: Uint8Array): Steps<number>;
  /**
   * Reads a whole body. Tensors of a large one may be read already.
   * @param fields fields that a large body may be read for; all without
   * @throws LossmeterError malformed_body, truncated_body
   */
  parse(body: Uint8Array, maxDepth: number, fields?: readonly string[]): unknown;
}

/** Reads requests of some media types. */
export interface Codec {
  readonly name: string;
  readonly mediaTypes: readonly string[];
  /** Decodes a request. @throws LossmeterError for what is wrong with it */
  decode(bytes: Bytes, context: DecodeContext): Decoding;
  /** Reads bodies that are one plain value without logits; absent in formats without such bodies. */
  readonly values?: ValueFormat;
}

/** @throws LossmeterError unknown_field, with the name or the place that was probably meant */
export function requireRequestField(name: unknown, { tensors, options, values }: RequestFields): string {
  const fields = fieldNames({ tensors, values });
  if (typeof name === 'string' && fields.includes(name)) return name;
  const shown = showValue(name);
  if (typeof name !== 'string') {
    throw new LossmeterError('unknown_field', `${shown} is not a field's name; fields are ${fields.join(', ')}`);
  }
  const meant = suggestName(name, fields, SYNONYMS);
  let hint = `; known fields are ${fields.join(', ')}`;
  if (meant !== undefined) hint = `, did you mean ${meant}?`;
  else if (options.includes(name)) hint = `: it is an option and belongs in "options": {${shown}: …}`;
  else {
    const option = suggestName(name, options);
    if (option !== undefined) hint = `, did you mean "options": {"${option}": …}?`;
  }
  throw refuse('unknown_field', pointerTo(name), `unknown field ${shown}${hint}`);
}

export function duplicateField(name: string): LossmeterError {
  return new LossmeterError('malformed_body', `the field ${showValue(name)} comes twice`);
}

/** True for the value of a field that is not as if left out. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/**
 * @param has true for the tensors that a request has
 * @throws LossmeterError missing_field when a tensor is missing that the request must have
 */
export function requireTensors(
  has: (name: TensorName) => boolean,
  { tensors, required, tensorsOptional = false }: RequestFields,
): void {
  if (tensorsOptional && !tensors.some(has)) return;
  const missing = required.find((name) => !has(name));
  if (missing !== undefined) throw missingField(missing);
}

export function missingField(name: TensorName): LossmeterError {
  const detail = `the field ${name} is missing: expected a tensor of ${TENSORS[name].expected}`;
  return refuse('missing_field', placeIn(name), detail);
}
