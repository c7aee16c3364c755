/** Facts about micro-batches, without their diagnostics, for comparisons between them. */
import type { BatchKey, RecordedBatch } from './record.ts';
import { toKeyedPair } from './rows.ts';
import type { Row } from './rows.ts';
import type { ScalarRow } from './scalars.ts';
import type { BatchPlace } from './store.ts';

export interface BatchFact extends Omit<BatchKey, 'run'>, Pick<RecordedBatch, 'numerator' | 'denominator' | 'device'> {
  /** Digest of the content: equal only for equal content. */
  digest: Uint8Array;
  /** Digest of the labels; undefined for a pair, and for labels with too little information. */
  labelDigest: Uint8Array | undefined;
}

/** A step of an attempt. */
export interface StepOfAttempt {
  step: number;
  attempt: number;
}

/** A place within a step. */
export type PlaceInStep = Pick<BatchKey, 'rank' | 'microBatch'>;

/** Facts of one run in a database. All results are bounded by `limit`. */
export interface BatchFacts {
  /** Batches of a step and an attempt from a place on, in their order. */
  batches(at: StepOfAttempt, from: PlaceInStep, limit: number): Promise<BatchFact[]>;
  /** Batches of the curve from a place on, in their order. */
  curve(from: BatchPlace, limit: number): Promise<BatchFact[]>;
  /** Steps of the curve before a step, descending. */
  stepsBefore(step: number, limit: number): Promise<StepOfAttempt[]>;
  /** The last attempts with batches at a step, ascending. */
  attemptsAt(step: number, limit: number): Promise<number[]>;
  /** Losses that the ranks after `afterRank` declared at a step. */
  declared(at: StepOfAttempt, afterRank: number, limit: number): Promise<ScalarRow[]>;
  /** Losses of the rows of a batch; undefined when they are not stored. */
  rowLosses(at: StepOfAttempt & PlaceInStep): Promise<Float64Array | undefined>;
}

/** Source of the facts of runs. */
export interface FactStore {
  /** Facts of a run; undefined for an unknown run. */
  facts(run: string): Promise<BatchFacts | undefined>;
}

/** Columns of a fact. */
export const FACT_COLUMNS = [
  'step',
  'attempt',
  'rank',
  'micro_batch',
  'numerator',
  'denominator',
  'digest',
  'label_digest',
  'device',
]
  .map((column) => `batches.${column}`)
  .join(', ');

/** @param row with the columns of FACT_COLUMNS */
export function toFact(row: Row): BatchFact {
  return {
    ...toKeyedPair(row),
    digest: row['digest'] as Uint8Array,
    labelDigest: (row['label_digest'] ?? undefined) as Uint8Array | undefined,
    device: typeof row['device'] === 'string' ? row['device'] : undefined,
  };
}

export const toStepOfAttempt = (row: Row): StepOfAttempt => ({
  step: Number(row['step']),
  attempt: Number(row['attempt']),
});

/** @param row with the column `losses`; undefined when no row losses are stored */
export function toRowLosses(row: Row | undefined): Float64Array | undefined {
  // Float64Array requires an aligned buffer: a copy is aligned.
  return row && new Float64Array(new Uint8Array(row['losses'] as Uint8Array).buffer);
}

/** True when two batches have the same content. When labels of one are unknown, equal sums count as equal content. */
export function isSameContent(a: BatchFact, b: BatchFact): boolean {
  if (Buffer.compare(a.digest, b.digest) === 0) return true;
  const hasRows = a.labelDigest !== undefined && b.labelDigest !== undefined;
  return !hasRows && Object.is(a.numerator, b.numerator) && Object.is(a.denominator, b.denominator);
}

/** True when two batches have the same labels; undefined when the labels of one are unknown. */
export function hasSameLabels(a: BatchFact, b: BatchFact): boolean | undefined {
  if (a.labelDigest === undefined || b.labelDigest === undefined) return undefined;
  return Buffer.compare(a.labelDigest, b.labelDigest) === 0;
}

/** Loss of a batch; NaN when nothing is counted. */
export const lossOfBatch = ({ numerator, denominator }: Pick<BatchFact, 'numerator' | 'denominator'>): number =>
  numerator / denominator;

/** (b − a) / |a|; 0 for equal losses, including equal non-finite losses. */
export function relativeDifference(a: number, b: number): number {
  return Object.is(a, b) || a === b ? 0 : (b - a) / Math.abs(a);
}
