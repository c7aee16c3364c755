import type { Diagnostics } from '../batch/diagnostics.ts';

/** Identity of a micro-batch. */
export interface BatchKey {
  run: string;
  /**
   * Raised by a trainer that resumes from a checkpoint. A step is made of the batches of its highest attempt, and supersedes
   * the steps of lower attempts behind it.
   */
  attempt: number;
  step: number;
  rank: number;
  microBatch: number;
}

/** The part of a diagnosis that is kept. */
export type KeptDiagnostics = Pick<Diagnostics, 'verdict' | 'summary' | 'causes'> & Partial<Diagnostics>;

/** Recorded values of a micro-batch. */
export interface Recording {
  /** Σ m·ℓ, raw. */
  numerator: number;
  /** D, raw. */
  denominator: number;
  diagnostics: KeptDiagnostics;
  /** Digest of the content: equal for equal content only. */
  digest: Uint8Array;
}

/** A micro-batch that was recorded. */
export interface RecordedBatch extends Omit<BatchKey, 'run'>, Omit<Recording, 'digest'> {
  /** In milliseconds since 1970. */
  recordedAt: number;
}

/** Result of a recording. The batch is in the history when it was created or repeated. */
export type Outcome = 'created' | 'repeated' | 'conflict' | 'superseded' | 'unexpected';

/** A step, as its batches make it. */
export interface StepPoint {
  step: number;
  attempt: number;
  /** Σ numerators and Σ denominators over ranks and micro-batches, each rounded once. */
  numerator: number;
  denominator: number;
  /** numerator / denominator: NaN where nothing is counted. */
  loss: number;
  /** Ranks that reported. */
  ranks: number;
  /** The least and the greatest finite local loss of a rank; undefined when none is finite. */
  rankLosses: { min: number; max: number } | undefined;
  nonFinite: boolean;
  /** Causes of the batches that are not finite. */
  causes: string[];
  /** Summary of the first of these batches. */
  summary: string | undefined;
  /** Time of the batch that came last, in milliseconds since 1970. */
  recordedAt: number;
  /** Grows with every change, over all runs. */
  sequence: number;
}

/** A step of a curve, judged beside the other steps and ranks. */
export interface CurvePoint extends StepPoint {
  /** True when all ranks reported: the expected ones, or those that the run is known to have. */
  complete: boolean;
  /** True when the loss is a spike among those of the steps before. */
  spike: boolean;
}

/** Metadata that the owner of a run gives. */
export interface RunMetadata {
  labels?: Record<string, string | number | boolean>;
  /** Number of ranks that report each step. */
  expectedRanks?: number;
}

/** A run in short. */
export interface RunSummary {
  run: string;
  labels: Record<string, string | number | boolean>;
  expectedRanks: number | undefined;
  createdAt: number;
  updatedAt: number;
  batches: number;
  steps: number;
  nonFiniteSteps: number;
  /** The highest rank that reported, and 1. */
  ranks: number;
  last: { step: number; loss: number } | undefined;
  /** Step of the least finite loss. */
  best: { step: number; loss: number } | undefined;
  sparkline: number[];
}
