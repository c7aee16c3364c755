import type { Cause } from '../diagnostics/causes.ts';
import type { RecordedDiagnostics } from '../contract/runs.ts';
import type { Labels, SaidState } from '../contract/run-metadata.ts';
import type { Creator } from './quota.ts';

/** Identity of a micro-batch. */
export interface BatchKey {
  run: string;
  /**
   * Number that a trainer increments when it resumes from a checkpoint. A step consists of the batches of its highest
   * attempt, and supersedes later steps of lower attempts.
   */
  attempt: number;
  step: number;
  rank: number;
  microBatch: number;
}

/** Recorded values of a micro-batch. */
export interface Recording {
  /** Numerator N = Σ m·ℓ. */
  numerator: number;
  /** Denominator D, without the terms of `semantics`. */
  denominator: number;
  diagnostics: RecordedDiagnostics;
  /** Digest of the content. Different contents have different digests. */
  digest: Uint8Array;
  /** Device that computed it, as the trainer names it. */
  device?: string | undefined;
  /** Digest of the labels; undefined for a pair, and for labels with too little information. */
  labelDigest?: Uint8Array | undefined;
  /** Losses of its rows, which are stored only for some batches: see disagreement/row-losses.ts. */
  rowLosses?: Float64Array | undefined;
}

/** Named numbers of a step and a rank, besides the loss. */
export type Scalars = readonly (readonly [name: string, value: number])[];

/** A recording under the key of a micro-batch: the batch, scalars of its step and rank, or both. */
export interface KeyedRecording {
  key: BatchKey;
  recording?: Recording | undefined;
  scalars?: Scalars | undefined;
  /** Owner of the run when the recording creates it; undefined for none. */
  creator?: Creator | undefined;
}

/** A range of steps, both ends included. */
export interface StepRange {
  from: number;
  to: number;
}

/** A micro-batch that was recorded. */
export interface RecordedBatch
  extends Omit<BatchKey, 'run'>, Pick<Recording, 'numerator' | 'denominator' | 'diagnostics' | 'device'> {
  /** In milliseconds since 1970. */
  recordedAt: number;
}

/**
 * Result of a recording. Created and repeated recordings are in the history. `unexpected`: the rank is not below the run's
 * expected ranks. `full`: the run would have too many names of scalars. `over_quota`: the run would be new, and its creator
 * owns the maximum number of runs.
 */
export type Outcome = 'created' | 'repeated' | 'conflict' | 'superseded' | 'unexpected' | 'full' | 'over_quota';

/** A step, combined from its batches. */
export interface StepPoint {
  step: number;
  attempt: number;
  /** Σ numerators and Σ denominators over ranks and micro-batches, each rounded once. */
  numerator: number;
  denominator: number;
  /** numerator / denominator; NaN when nothing is counted. */
  loss: number;
  /** Ranks that reported. */
  ranks: number;
  /** Least and greatest finite loss of a rank; undefined when no rank has a finite loss. */
  rankLosses: { min: number; max: number } | undefined;
  nonFinite: boolean;
  /** Causes of the non-finite batches. */
  causes: Cause[];
  /** Summary of the first non-finite batch. */
  summary: string | undefined;
  /** Time of the last batch, in milliseconds since 1970. */
  recordedAt: number;
  /** Sequence number of the last change, increasing over all runs. */
  sequence: number;
}

/** A step of a curve, compared with the other steps and ranks. */
export interface CurvePoint extends StepPoint {
  /** True when all `expected_ranks` reported. Without `expected_ranks`: when all known ranks of the run reported. */
  complete: boolean;
  /** True when the loss is a spike compared with the steps before. */
  spike: boolean;
}

/** State that the trainer said last, and the time of that in milliseconds since 1970. */
export interface Said {
  state: SaidState;
  at: number;
}

/** Metadata that the owner of a run gives. */
export interface RunMetadata {
  labels?: Labels;
  /** Number of ranks that report each step. */
  expectedRanks?: number;
  state?: SaidState;
  notes?: string;
  tags?: string[];
  archived?: boolean;
}

/** Summary of a run. */
export interface RunSummary {
  run: string;
  labels: Labels;
  expectedRanks: number | undefined;
  /** State that its trainer said last; undefined when it never said one. */
  said: Said | undefined;
  notes: string;
  tags: string[];
  archived: boolean;
  createdAt: number;
  updatedAt: number;
  batches: number;
  steps: number;
  nonFiniteSteps: number;
  /** Highest rank that reported, plus 1. */
  ranks: number;
  last: { step: number; loss: number } | undefined;
  /** Step of the least finite loss. */
  best: { step: number; loss: number } | undefined;
  sparkline: number[];
}
