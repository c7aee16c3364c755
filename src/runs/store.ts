import type { AttemptPage, AttemptQuery } from './attempt-steps.ts';
import type {
  BatchKey,
  CurvePoint,
  KeyedRecording,
  Outcome,
  RecordedBatch,
  Recording,
  RunMetadata,
  RunSummary,
  StepRange,
} from './record.ts';
import type { RunPlace, RunQuery } from './run-query.ts';
import type { Creator } from './quota.ts';
import type { Attempt, ScalarExportPage, ScalarPage, ScalarPlace, ScalarQuery, ScalarSummary } from './scalars.ts';
import type { Quotient } from './step.ts';

/** A place in the order of batches: step, rank, micro-batch. */
export interface BatchPlace {
  step: number;
  rank: number;
  microBatch: number;
}

/** Some consecutive batches. */
export interface BatchPage {
  batches: RecordedBatch[];
  /** Place of the next batch; undefined at the end of the range. */
  next: BatchPlace | undefined;
}

/** A step with some of its batches. */
export interface StepPage {
  point: CurvePoint;
  /** Number of batches of the step; undefined on further pages. */
  batches: number | undefined;
  /** Ranks that have not reported, ascending; the first MOST_MISSING. */
  missingRanks: number[];
  /** Ranks with batches on this page, each with the totals of all its batches. */
  ranks: { rank: number; sum: Quotient; batches: RecordedBatch[] }[];
  /** Place of the next batch; undefined after the last. */
  next: BatchPlace | undefined;
}

/** Numbers of runs that match a search. */
export interface RunCounts {
  total: number;
  active: number;
  /** Number of runs with non-finite steps. */
  nonFinite: number;
}

/** Some runs of a list. */
export interface RunPage {
  runs: RunSummary[];
  /** Place of the last run of the page; undefined at the end of the list. */
  next: RunPlace | undefined;
  /** Counts over all pages; undefined on further pages. */
  counts: RunCounts | undefined;
}

/** Changed steps of all runs, without steps of removed runs. */
export interface ChangePage {
  changed: { run: string; runId: number; step: CurvePoint }[];
  /** Sequence number of the last change that the page covers. */
  last: number;
  isFull: boolean;
}

/** Bounds of a page of runs: runs, and characters of their labels, tags and notes. */
export const MOST_RUNS = 50;
export const MOST_TEXT = 128 * 1024;

/** Characters of the labels, tags and notes of a run. */
export function textLength({ labels, tags, notes }: RunSummary): number {
  return JSON.stringify(labels).length + JSON.stringify(tags).length + notes.length;
}

/** Most recordings of one call, and of one transaction. */
export const MOST_RECORDINGS = 1000;

/** Most missing ranks that a reply names. */
export const MOST_MISSING = 1024;

/** Most steps that one call returns: replies of the store are bounded. */
export const MOST_STEPS = 500;

/**
 * History of runs. A recording is durable before its promise resolves. Reads of an unknown run resolve to undefined or
 * to an empty result. Replies are bounded: callers read long results page by page. All methods reject with
 * LossmeterError store_unavailable for faults that may be temporary.
 */
export interface RunStore {
  /** Opens the store. */
  start(): Promise<void>;
  /** Checks that runs can be recorded. Rejects with the fault and a remedy. */
  check(): Promise<void>;
  /** Records a micro-batch, in one transaction with its step and its run; creates an unknown run. */
  record(key: BatchKey, recording: Recording): Promise<Outcome>;
  /** Records micro-batches and scalars, each as `record` does. @param recordings at most MOST_RECORDINGS */
  recordMany(recordings: readonly KeyedRecording[]): Promise<Outcome[]>;
  /** Attempt of a step: the highest attempt among all steps up to it; undefined when there is none. */
  attemptOf(run: string, step: number): Promise<number | undefined>;
  /**
   * Creates or changes a run. Resolves to true for a new run.
   * @throws LossmeterError quota_exceeded for a new run beyond the quota of its creator
   */
  describe(run: string, metadata: RunMetadata, creator?: Creator): Promise<boolean>;
  /** Renames a run. Later recordings under the old name create a new run. */
  rename(run: string, name: string): Promise<'renamed' | 'unknown' | 'taken'>;
  /** Removes a run with its steps and batches. Resolves to false for an unknown run. */
  remove(run: string): Promise<boolean>;
  /**
   * Removes the run with the oldest last recording, as `remove` does. Resolves to its name; to undefined when there is no
   * such run.
   * @param before time in milliseconds since 1970; the last recording and the last said state of the run must be earlier
   */
  removeOldest(before: number): Promise<string | undefined>;
  /**
   * Bytes of the history, without space that deletions freed; undefined while rows of a removed run are being deleted.
   */
  size(): Promise<number | undefined>;

  run(name: string): Promise<RunSummary | undefined>;
  /**
   * A page of a list of runs. A run that exists during the whole listing is on exactly one page; with the sort `updated`,
   * only if it does not change meanwhile.
   * @param limit most runs; a page has fewer when their labels, tags and notes are long
   * @param after `next` of the page before; undefined for the first page
   */
  runs(query: RunQuery, limit: number, after: RunPlace | undefined): Promise<RunPage>;
  /** Recently changed runs, the newest first, with their last steps. */
  newest(limit: number): Promise<{ run: string; last: { step: number; loss: number } }[]>;
  /** Id of a run. A run that is removed and recorded again gets a new id; ids are never reused. */
  idOf(run: string): Promise<number | undefined>;
  metadata(run: string): Promise<RunMetadata | undefined>;

  /** Steps in their order. @param limit at most MOST_STEPS */
  steps(run: string, range: StepRange, limit: number): Promise<CurvePoint[]>;
  /** @param steps at most MOST_STEPS, ascending */
  stepsAt(run: string, steps: readonly number[]): Promise<CurvePoint[]>;
  /**
   * Steps that show the curve of a range, ascending: see sqlite/sampling.ts.
   * @param maxPoints largest number of points, at least 4
   */
  pickSteps(run: string, range: StepRange, maxPoints: number): Promise<number[]>;
  /** Batches from a place on to the end of a step, of the steps' highest attempts. */
  batchesFrom(run: string, from: BatchPlace, to: number): Promise<BatchPage>;

  /**
   * A step with its batches from a place on.
   * @param limit most batches; a page has fewer when their texts are long
   */
  stepPage(run: string, from: BatchPlace, limit: number): Promise<StepPage | undefined>;

  /** Attempts of a run, in their order; undefined for an unknown run. */
  attempts(run: string): Promise<Attempt[] | undefined>;
  /** Steps of one attempt, including superseded steps; undefined for an unknown run. */
  attemptSteps(run: string, query: AttemptQuery): Promise<AttemptPage | undefined>;
  /** Scalars of a run, in the order of their names; undefined for an unknown run. */
  scalars(run: string): Promise<ScalarSummary[] | undefined>;
  /** Points of a scalar; undefined for an unknown run or name. */
  scalarCurve(run: string, name: string, query: ScalarQuery): Promise<ScalarPage | undefined>;
  /** Numbers of all scalars of a run after a place, without superseded ones. */
  exportScalars(run: string, after: ScalarPlace, limit: number): Promise<ScalarExportPage>;

  /** Newest sequence number over all runs. */
  sequence(): Promise<number>;
  /** Steps of all runs that changed after a sequence number, in the order of their last changes. */
  changes(sequence: number, limit: number): Promise<ChangePage>;
  /** Steps of one run that changed after a sequence number, in the order of their last changes. */
  changedSince(run: string, sequence: number, limit: number): Promise<CurvePoint[]>;

  close(): Promise<void>;
}

/** Pages of batches of the steps' highest attempts, in the order of step, rank and micro-batch. */
export async function* batchPages(
  store: RunStore,
  run: string,
  { from, to }: StepRange,
): AsyncGenerator<RecordedBatch[]> {
  for (let place: BatchPlace | undefined = { step: from, rank: 0, microBatch: 0 }; place !== undefined;) {
    const page: BatchPage = await store.batchesFrom(run, place, to);
    yield page.batches;
    place = page.next;
  }
}
