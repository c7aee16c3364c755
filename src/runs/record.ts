import type { Diagnostics } from '../loss/diagnostics.ts';

/** Which micro-batch of a run this is. */
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

/** What of a diagnosis is kept. */
export type KeptDiagnostics = Pick<Diagnostics, 'verdict' | 'summary' | 'causes'> & Partial<Diagnostics>;

/** What is recorded of a micro-batch. */
export interface Recording {
  /** Σ m·ℓ, raw. */
  numerator: number;
  /** D, raw. */
  denominator: number;
  diagnostics: KeptDiagnostics;
  /** The same for the same content, and for no other. */
  digest: Uint8Array;
}

/** A micro-batch that was recorded. */
export interface RecordedBatch extends Omit<BatchKey, 'run'>, Omit<Recording, 'digest'> {
  /** In milliseconds since 1970. */
  recordedAt: number;
}

/** What became of a recording. Only what was created or repeated is there. */
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
  /** Of the batches that are not finite. */
  causes: string[];
  /** Of the first of them. */
  summary: string | undefined;
  /** Of the batch that came last, in milliseconds since 1970. */
  recordedAt: number;
  /** Grows with every change, over all runs. */
  sequence: number;
}

/** A step of a curve, judged beside the other steps and ranks. */
export interface CurvePoint extends StepPoint {
  /** Whether all ranks reported: those expected, or those that the run is known to have. */
  complete: boolean;
  /** Whether the loss is a spike among those of the steps before. */
  spike: boolean;
}

/** What its owner says of a run. */
export interface RunMetadata {
  labels?: Record<string, string | number | boolean>;
  /** How many ranks report each step. */
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
  /** Of finite losses. */
  best: { step: number; loss: number } | undefined;
  sparkline: number[];
}
