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

/** Names that clients mistakenly use, and the field that each stands for. */
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
  // verl's names of the log-probabilities of the sampler and of the trainer.
  rollout_log_prob: 'old',
  rollout_log_probs: 'old',
  old_log_prob: 'new',
  old_log_probs: 'new',
};

type Fields = Readonly<Record<string, unknown>>;

/** Request without the bytes of its streamed tensor. */
export interface ReadRequest {
  readonly streamed: StreamedTensor;
  /** Streamable tensors that came before the streamed one. They are buffered, or in a file. */
  readonly before: readonly WaitingTensor[];
  /** llama.cpp logit file that replaces the reference. */
  readonly logitFile?: ReadLogitFile;
  /** Other fields as decoded. Tensors in files are already read. */
  readonly fields: Fields;
}

/** llama.cpp logit file whose labels were read. */
export interface ReadLogitFile extends Omit<LogitFileRows, 'readLabels'> {
  /** Label of each row. */
  readonly labels: Int32Array<ArrayBuffer>;
}

/** Head of the streamed tensor. */
export interface StreamedTensor {
  readonly name: TensorName;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Number of entries sent as null. */
  readonly nulls?: number;
  /** File tensor with its bytes, if they are not in the request. RequestReader.writeTo then writes nothing. */
  readonly source?: FileTensor;
  /** True for an array of msgpack-numpy. Outputs then have the same form. */
  readonly isNumpy?: boolean;
}

/** Streamable tensor that is buffered until the streamed one arrives. */
export interface WaitingTensor extends StreamedTensor {
  /** Its bytes; undefined if it has a source. */
  readonly data?: Uint8Array;
}

/** Properties of the request and of the service that decoders need. */
export interface DecodeContext {
  /** Accounts for every buffered byte. */
  readonly held: HeldBytesAccount;
  readonly fields: RequestFields;
  readonly maxJsonBytes: number;
  /** Length of the whole body, if announced. */
  readonly contentLength: number | undefined;
}

/** Reads plain values. */
interface ValueFormat {
  /** Largest accepted length of a body. */
  maxBytes(limits: Pick<DecodeContext, 'maxJsonBytes'>): number;
  /** Upper bound of the memory of a body's value, in addition to the body. Absent if the value reuses the bytes. */
  neededBytes?(body: Uint8Array): Steps<number>;
  /**
   * Reads a whole body. In a large body, tensors may already be converted to bytes.
   * @param fields fields to read from a large body; all fields if absent
   * @throws LossmeterError malformed_body, truncated_body
   */
  parse(body: Uint8Array, maxDepth: number, fields?: readonly string[]): unknown;
}

/** Reads requests of some media types. */
export interface Codec {
  readonly name: string;
  readonly mediaTypes: readonly string[];
  /** Decodes a request. @throws LossmeterError for an invalid request */
  decode(bytes: Bytes, context: DecodeContext): Decoding;
  /** Reads bodies that are one plain value without logits; absent in formats without such bodies. */
  readonly values?: ValueFormat;
}

/** @throws LossmeterError unknown_field, which suggests the nearest name or place */
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

/** True unless the value means that the field is absent. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/**
 * @param has returns true for the tensors of the request
 * @throws LossmeterError missing_field when a required tensor is missing
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
