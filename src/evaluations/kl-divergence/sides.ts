import { makeHeader } from '../../batch/header.ts';
import type { BatchHeader } from '../../batch/header.ts';
import { refuse } from '../../errors.ts';
import { placeIn } from '../../suggestion.ts';
import type { RowFormat } from '../../../kernels/quantised.ts';
import type { FloatDType } from '../../tensor/dtype.ts';
import type { FileRange } from '../../tensor/file-range.ts';
import { elementCount, formatShape, sameShape } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import { missingField } from '../../wire/request.ts';
import type { ReadLogitFile, ReadRequest, StreamedTensor, WaitingTensor } from '../../wire/request.ts';
import { TOP_REFERENCE } from './top-reference.ts';

/** One of the two sets of logits: its bytes are streamed, held in memory, or read from a file. */
interface Side {
  readonly format: RowFormat;
  readonly data?: Uint8Array;
  readonly range?: FileRange;
}

/** The two sets of logits of a request, and the other fields. */
export interface Sides {
  /** Header of the logits. */
  readonly header: BatchHeader;
  readonly logits: Side;
  /** Undefined when the reference is the top K of each row. */
  readonly reference: Side | undefined;
  /** The streamed side. */
  readonly streamed: 'logits' | 'reference';
  /** True when the labels come from a llama.cpp logit file. */
  readonly hasLabelsOfFile: boolean;
}

/** @throws LossmeterError missing_field, shape_mismatch, invalid_reference */
export function readSides(request: ReadRequest): Sides {
  const { streamed, before, fields, logitFile } = request;
  const heads: readonly WaitingTensor[] = [streamed, ...before];
  const logits = heads.find(({ name }) => name === 'logits');
  if (logits === undefined) throw missingField('logits');
  const reference = heads.find(({ name }) => name === 'reference');
  if (reference !== undefined || logitFile !== undefined) requireNoTop(fields);
  if (logitFile !== undefined) return sidesOfFile(logits, logitFile, request);
  if (reference === undefined && givenTop(fields) === undefined) throw missingField('reference');
  if (reference !== undefined) requireSameShape(logits.shape, reference);
  const nulls = heads.reduce((sum, head) => sum + (head.nulls ?? 0), 0);
  return {
    header: makeHeader({ streamed: { ...logits, nulls }, before: [], fields }),
    logits: sideOf(logits),
    reference: reference && sideOf(reference),
    streamed: streamed.name === 'reference' ? 'reference' : 'logits',
    hasLabelsOfFile: false,
  };
}

/** Refuses the top K of a reference together with another reference. @throws LossmeterError invalid_reference */
function requireNoTop(fields: ReadRequest['fields']): void {
  const name = givenTop(fields);
  if (name === undefined) return;
  const detail = `${name} and reference are both given, expected either reference or the two ${TOP_REFERENCE.join(' and ')}`;
  throw refuse('invalid_reference', placeIn(name), detail);
}

/** The first tensor of the top K of a reference that a request has. */
function givenTop(fields: ReadRequest['fields']): (typeof TOP_REFERENCE)[number] | undefined {
  return TOP_REFERENCE.find((name) => (fields[name] ?? undefined) !== undefined);
}

/** Sides of a request whose reference is a llama.cpp logit file. The labels of the file are used if the request has none. */
function sidesOfFile(logits: WaitingTensor, file: ReadLogitFile, { fields }: ReadRequest): Sides {
  requireShapeOf(file, logits.shape);
  const labels = file.labels;
  const label = {
    dtype: 'int32',
    shape: logits.shape.slice(0, -1),
    data: new Uint8Array(labels.buffer),
  };
  return {
    header: makeHeader({ streamed: logits, before: [], fields: { ...fields, label: fields['label'] ?? label } }),
    logits: sideOf(logits),
    reference: { format: 'quantised', range: file.range },
    streamed: 'logits',
    hasLabelsOfFile: (fields['label'] ?? undefined) === undefined,
  };
}

/** @throws LossmeterError shape_mismatch */
function requireShapeOf({ chunks, rowsPerChunk, classes }: ReadLogitFile, shape: Shape): void {
  const flat = [chunks * rowsPerChunk, classes];
  const whole = [chunks, rowsPerChunk, classes];
  if (sameShape(shape, flat) || sameShape(shape, whole)) return;
  const detail = `logits have shape ${formatShape(shape)}, expected ${formatShape(flat)} or ${formatShape(whole)}: the rows of ${chunks} chunks of the logit file`;
  throw refuse('shape_mismatch', '/logits/shape', detail);
}

function sideOf({ dtype, data, source }: WaitingTensor): Side {
  return { format: dtype as FloatDType, ...(data && { data }), ...(source && { range: source.range }) };
}

/** @throws LossmeterError shape_mismatch */
function requireSameShape(logits: Shape, { shape }: StreamedTensor): void {
  const flat = [elementCount(logits.slice(0, -1)) ?? Number.NaN, logits.at(-1) ?? Number.NaN];
  if (sameShape(shape, logits) || sameShape(shape, flat)) return;
  const expected = [...new Set([formatShape(logits), formatShape(flat)])].join(' or ');
  const detail = `reference has shape ${formatShape(shape)}, but logits of shape ${formatShape(logits)} expect ${expected}`;
  throw refuse('shape_mismatch', '/reference/shape', detail);
}
