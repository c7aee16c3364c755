import type { BatchKey, Outcome, RecordedBatch, Recording, RunMetadata, RunSummary, StepPoint } from './record.ts';

/** Steps of a run, of which some are wanted. */
export interface StepRange {
  /** The first, and the last. */
  from: number;
  to: number;
}

/** A step and its loss. */
export interface StepLoss {
  step: number;
  loss: number;
  nonFinite: boolean;
}

/**
 * The history of runs. What was recorded is durable before its promise resolves. Names of runs that are not there resolve
 * to undefined.
 */
export interface RunStore {
  /** Makes it ready. */
  start(): Promise<void>;
  /** Records a micro-batch, in one transaction with its step and its run; the run is made when it is the first. */
  record(key: BatchKey, recording: Recording): Promise<Outcome>;
  /** The highest attempt of a step; undefined when nothing is recorded of it. */
  attemptOf(run: string, step: number): Promise<number | undefined>;
  /** Makes or changes a run. Resolves to whether it was made. */
  describe(run: string, metadata: RunMetadata): Promise<boolean>;
  /** Removes a run and all that belongs to it. Resolves to whether it was there. */
  remove(run: string): Promise<boolean>;

  run(name: string): Promise<RunSummary | undefined>;
  /** Runs in the order of their making, the newest first. @param before a cursor that came with the runs before */
  runs(limit: number, before: number | undefined): Promise<{ runs: RunSummary[]; next: number | undefined }>;
  /** Runs that changed last, the newest first, with their last steps. */
  newest(limit: number): Promise<{ run: string; last: { step: number; loss: number } }[]>;
  /** What its owner says of a run. */
  metadata(run: string): Promise<RunMetadata | undefined>;
  /** How many ranks a complete step of a run has. */
  ranksOf(run: string): Promise<number | undefined>;

  /** Steps in their order, and their number. */
  steps(run: string, range: StepRange, limit: number): Promise<StepPoint[]>;
  stepsAt(run: string, steps: readonly number[]): Promise<StepPoint[]>;
  /** Losses of steps in their order, which takes less than the steps. */
  losses(run: string, range: StepRange): Promise<StepLoss[]>;
  /** Finite losses of the last steps before one, in their order. */
  lossesBefore(run: string, step: number, limit: number): Promise<number[]>;
  /** Batches of steps, of their highest attempts, in the order of step, rank and micro-batch. */
  batches(run: string, range: StepRange): AsyncIterable<RecordedBatch>;

  /** The newest sequence number of all. */
  sequence(): Promise<number>;
  /** Steps of all runs that changed after a sequence number, in the order of their last changes. */
  changes(sequence: number, limit: number): Promise<{ run: string; runId: number; step: StepPoint }[]>;
  /** The same of one run. */
  changedSince(run: string, sequence: number, limit: number): Promise<StepPoint[]>;

  close(): Promise<void>;
}
