/** Facts about micro-batches, without their diagnostics, for comparisons between them. */
import type { BatchKey, RecordedBatch } from './record.ts';
import { toKeyedPair } from './rows.ts';
import type { Row } from './rows.ts';
import type { ScalarRow } from './scalars.ts';
import type { BatchPlace } from './store.ts';

export interface BatchFact extends Omit<BatchKey, 'run'>, Pick<RecordedBatch, 'numerator' | 'denominator' | 'device'> {
  /** The same for the same content. */
  digest: Uint8Array;
  /** Digest of its labels; undefined for a pair, and for labels that tell too little. */
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
  /** Steps of the curve before a step, the last one first. */
  stepsBefore(step: number, limit: number): Promise<StepOfAttempt[]>;
  /** Attempts with batches at a step, in their order: the last ones. */
  attemptsAt(step: number, limit: number): Promise<number[]>;
  /** Losses that were declared at a step, after a rank. */
  declared(at: StepOfAttempt, afterRank: number, limit: number): Promise<ScalarRow[]>;
  /** Losses of the rows of a batch; undefined where none are kept. */
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

/** @param row with the column `losses`; undefined where none are kept */
export function toRowLosses(row: Row | undefined): Float64Array | undefined {
  // A copy is aligned.
  return row && new Float64Array(new Uint8Array(row['losses'] as Uint8Array).buffer);
}

/** True when two batches have the same content. Where one is a pair, only the sums can be compared. */
export function isSameContent(a: BatchFact, b: BatchFact): boolean {
  if (Buffer.compare(a.digest, b.digest) === 0) return true;
  const hasRows = a.labelDigest !== undefined && b.labelDigest !== undefined;
  return !hasRows && Object.is(a.numerator, b.numerator) && Object.is(a.denominator, b.denominator);
}

/** True or false for labels that are known of both. */
export function hasSameLabels(a: BatchFact, b: BatchFact): boolean | undefined {
  if (a.labelDigest === undefined || b.labelDigest === undefined) return undefined;
  return Buffer.compare(a.labelDigest, b.labelDigest) === 0;
}

/** Its loss: NaN when nothing is counted. */
export const lossOfBatch = ({ numerator, denominator }: Pick<BatchFact, 'numerator' | 'denominator'>): number =>
  numerator / denominator;

/** (b − a) / |a|: 0 for the same loss, also where it is not finite. */
export function relativeDifference(a: number, b: number): number {
  return Object.is(a, b) || a === b ? 0 : (b - a) / Math.abs(a);
}
