import type { Bytes, Decoding } from './decoding.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import type { HeldBytesAccount } from './body/held-bytes.ts';
import { LossmeterError, refuse } from '../errors.ts';
import { pointerTo, showValue, suggestName } from '../suggestion.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Steps } from '../steps.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { REQUEST_FIELDS, TENSOR_FIELDS } from './request-fields.ts';
import type { RequestField } from './request-fields.ts';
import { requireLogitsDType, tensorFromValue } from './tensors/tensor-value.ts';

/** Other names under which people send the fields. */
export const SYNONYMS: Readonly<Record<string, RequestField>> = {
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
};

/** Everything of a request but the bytes of its logits. */
export interface RequestHeader {
  readonly logits: {
    readonly dtype: FloatDType;
    readonly shape: Shape;
    /** Entries that came as null. */
    readonly nulls?: number;
    /** Where they stand, when not in the request: nothing is written then. */
    readonly source?: FileTensor;
  };
  /** undefined only where the request need not have one. */
  readonly label: Tensor | undefined;
  readonly inputMask: Tensor | undefined;
  readonly weight: Tensor | undefined;
  /** Options as received, not checked yet. */
  readonly options: unknown;
  /** The fields that this request has beside, as they came. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Entries of the tensors that came as null, and are NaN. */
  readonly nulls: number;
  /** True where the logits came as an array of msgpack-numpy: outputs are such arrays then. */
  readonly numpyArrays?: boolean;
}

/** Facts of the request and of the service that decoders need. */
export interface DecodeContext {
  /** Accounts for every byte that has to wait in memory. */
  readonly held: HeldBytesAccount;
  /** Names of options, to tell an option in the wrong place from an unknown field. */
  readonly optionNames: readonly string[];
  /** True where the label is optional. */
  readonly labelOptional?: boolean;
  /** True where a request may have no tensors. */
  readonly tensorsOptional?: boolean;
  /** Fields that the request has beside those of every request: plain values. */
  readonly parameterNames: readonly string[];
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
   * @throws LossmeterError malformed_body, truncated_body
   */
  parse(body: Uint8Array, maxDepth: number): unknown;
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
export function requireRequestField(
  name: unknown,
  { optionNames, parameterNames }: Pick<DecodeContext, 'optionNames' | 'parameterNames'>,
): string {
  if (typeof name === 'string' && (isRequestField(name) || parameterNames.includes(name))) return name;
  const fields: readonly string[] = [...REQUEST_FIELDS, ...parameterNames];
  const shown = showValue(name);
  if (typeof name !== 'string') {
    throw new LossmeterError('unknown_field', `${shown} is not a field's name; fields are ${fields.join(', ')}`);
  }
  const meant = suggestName(name, fields, SYNONYMS);
  let hint = `; known are ${fields.join(', ')}`;
  if (meant !== undefined) hint = `, did you mean ${meant}?`;
  else if (optionNames.includes(name)) hint = `: it is an option and belongs in "options": {${shown}: …}`;
  else {
    const option = suggestName(name, optionNames);
    if (option !== undefined) hint = `, did you mean "options": {"${option}": …}?`;
  }
  throw refuse('unknown_field', pointerTo(name), `unknown field ${shown}${hint}`);
}

function isRequestField(name: string): boolean {
  return (REQUEST_FIELDS as readonly string[]).includes(name);
}

export function duplicateField(name: string): LossmeterError {
  return new LossmeterError('malformed_body', `the field ${showValue(name)} comes twice`);
}

/**
 * The header of a request, from its other fields as they were decoded; null means absent.
 * @throws LossmeterError missing_field, invalid_tensor, unknown_field
 */
export function makeHeader(
  logits: RequestHeader['logits'],
  fields: Readonly<Record<string, unknown>>,
  { parameterNames, labelOptional = false }: Pick<DecodeContext, 'parameterNames' | 'labelOptional'>,
): RequestHeader {
  const tensor = (field: 'label' | 'input_mask' | 'weight'): Tensor | undefined => {
    const value = fields[field] ?? undefined;
    return value === undefined ? undefined : tensorFromValue(field, value);
  };
  const label = tensor('label');
  if (label === undefined && !labelOptional) throw missingField('label');
  const parameters = Object.fromEntries(parameterNames.map((name) => [name, fields[name]]));
  return {
    logits,
    label,
    nulls: (logits.nulls ?? 0) + (label?.nulls ?? 0),
    inputMask: tensor('input_mask'),
    weight: tensor('weight'),
    options: fields['options'],
    parameters,
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** Tells a request that has tensors. */
export function hasTensors(fields: Fields): boolean {
  return TENSOR_FIELDS.some((name) => Object.hasOwn(fields, name) && fields[name] !== null);
}

/** @throws LossmeterError missing_field when a tensor is missing that the request must have */
export function requireTensors(
  fields: Fields,
  { labelOptional = false, tensorsOptional = false }: Pick<DecodeContext, 'labelOptional' | 'tensorsOptional'>,
): void {
  if (tensorsOptional && !hasTensors(fields)) return;
  if ((fields['logits'] ?? undefined) === undefined) throw missingField('logits');
  if (!labelOptional && (fields['label'] ?? undefined) === undefined) throw missingField('label');
}

/** Logits that stand in a file. @throws LossmeterError invalid_tensor */
export function logitsFrom(source: FileTensor): RequestHeader['logits'] {
  return { dtype: requireLogitsDType(source.dtype), shape: source.shape, source };
}

/** Logits that were read whole. @throws LossmeterError invalid_tensor */
export function logitsOf({ dtype, shape, nulls }: Tensor): RequestHeader['logits'] {
  return { dtype: requireLogitsDType(dtype), shape, ...(nulls !== undefined && { nulls }) };
}

export function missingField(name: RequestField): LossmeterError {
  const shape = name === 'label' ? 'integers of shape (N,) or (…,)' : 'floating point of shape (N, C) or (…, C)';
  return refuse('missing_field', `/${name}`, `the field ${name} is missing: expected a tensor of ${shape}`);
}
