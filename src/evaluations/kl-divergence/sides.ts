import { makeHeader } from '../../batch/header.ts';
import type { BatchHeader } from '../../batch/header.ts';
import { refuse } from '../../errors.ts';
import type { RowFormat } from '../../engine/compared-rows.ts';
import type { FloatDType } from '../../tensor/dtype.ts';
import type { FileRange } from '../../tensor/file-range.ts';
import { elementCount, formatShape, sameShape } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import { missingField } from '../../wire/request.ts';
import type { ReadRequest, StreamedTensor, WaitingTensor } from '../../wire/request.ts';

/** One of the two sets of logits: its bytes stream, wait in memory, or stand in a file. */
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
  /** Undefined where the reference is the top K of each row. */
  readonly reference: Side | undefined;
  /** The side that streams. */
  readonly streamed: 'logits' | 'reference';
}

/** @throws LossmeterError missing_field, shape_mismatch */
export function readSides({ streamed, before, fields }: ReadRequest): Sides {
  const heads: readonly WaitingTensor[] = [streamed, ...before];
  const logits = heads.find(({ name }) => name === 'logits');
  if (logits === undefined) throw missingField('logits');
  const reference = heads.find(({ name }) => name === 'reference');
  if (reference === undefined && fields['reference.indices'] === undefined) throw missingField('reference');
  if (reference !== undefined) requireSameShape(logits.shape, reference);
  const nulls = heads.reduce((sum, head) => sum + (head.nulls ?? 0), 0);
  return {
    header: makeHeader({ streamed: { ...logits, nulls }, before: [], fields }),
    logits: sideOf(logits),
    reference: reference && sideOf(reference),
    streamed: streamed.name === 'reference' ? 'reference' : 'logits',
  };
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
