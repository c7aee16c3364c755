/** Rows that change when some recordings are written together, independent of the database. */
import type { KnownRecording } from './known-recording.ts';
import type { BatchKey, Recording } from './record.ts';
import { addToRank, addToStep, toReal } from './rows.ts';
import type { RankColumns, Row, StepColumns } from './rows.ts';

/** A step that changes. */
export interface ChangedStep extends StepColumns {
  run: number;
  step: number;
  attempt: number;
  ranks: number;
  /** True for a new step. */
  isNew: boolean;
  /** True when the step still has ranks of an earlier attempt, which must be dropped. */
  dropsRanks: boolean;
}

export interface ChangedRank extends RankColumns {
  run: number;
  step: number;
  rank: number;
}

/** Amounts that are added to the row of a run. */
export interface ChangedRun {
  run: number;
  batches: number;
  steps: number;
  nonFinite: number;
  /** Lower bound of its number of ranks: the highest recorded rank plus 1. */
  ranks: number;
  /** New names of scalars. */
  series: number;
}

export interface NewBatch {
  run: number;
  key: BatchKey;
  recording: Recording;
}

/** A new attempt, or one whose first step is earlier than stored. */
export interface ChangedAttempt {
  run: number;
  attempt: number;
  firstStep: number;
}

/** A series with new values. */
export interface ChangedSeries {
  run: number;
  series: number;
  name: string;
  /** Number of new values. */
  points: number;
  isNew: boolean;
}

export interface NewScalar {
  run: number;
  series: number;
  attempt: number;
  step: number;
  rank: number;
  /** NULL for NaN. */
  value: number | null;
}

/** Recordings of one attempt per run. None of them supersedes a step. */
export class Changeset {
  readonly #batches = new Map<string, NewBatch>();
  readonly #ranks = new Map<string, ChangedRank>();
  readonly #steps = new Map<string, ChangedStep>();
  readonly #runs = new Map<number, ChangedRun>();
  readonly #attempts = new Map<number, ChangedAttempt & { isChanged: boolean }>();
  readonly #series = new Map<string, ChangedSeries>();
  readonly #scalars = new Map<string, { row: NewScalar; value: number }>();

  get isEmpty(): boolean {
    return this.#runs.size === 0;
  }

  get batches(): Iterable<NewBatch> {
    return this.#batches.values();
  }

  get ranks(): Iterable<ChangedRank> {
    return this.#ranks.values();
  }

  get steps(): Iterable<ChangedStep> {
    return this.#steps.values();
  }

  get runs(): Iterable<ChangedRun> {
    return this.#runs.values();
  }

  get attempts(): Iterable<ChangedAttempt> {
    return this.#attempts.values().filter(({ isChanged }) => isChanged);
  }

  get series(): Iterable<ChangedSeries> {
    return this.#series.values();
  }

  get scalars(): Iterable<NewScalar> {
    return this.#scalars.values().map(({ row }) => row);
  }

  /** True when all recordings added for the run have the attempt of this recording, so that its facts still hold. */
  fits({ run, key }: KnownRecording): boolean {
    return (this.#attempts.get(run)?.attempt ?? key.attempt) === key.attempt;
  }

  /** Returns the recording with its facts updated by the recordings that were added since it was read. */
  updated(one: KnownRecording): KnownRecording {
    const { run, key, scalars = [] } = one;
    const changed = this.#runs.get(run);
    if (changed === undefined) return one;
    const known = one.known.map(({ series, value }, k) => {
      const name = scalars[k]![0];
      const number = series ?? this.#series.get(`${run} ${name}`)?.series;
      const added = number === undefined ? undefined : this.#scalars.get(scalarName(run, number, key))?.value;
      return { series: number, value: value ?? added };
    });
    return {
      ...one,
      known,
      series: one.series + changed.series,
      digest: one.digest ?? this.#batches.get(batchName(run, key))?.recording.digest,
    };
  }

  /** Adds a recording whose batch or scalars are new, at least in part. */
  add(one: KnownRecording): void {
    const { run, key, recording } = one;
    if (!this.#runs.has(run)) this.#runs.set(run, { run, batches: 0, steps: 0, nonFinite: 0, ranks: 0, series: 0 });
    const attempt = this.#attempts.get(run) ?? {
      run,
      attempt: key.attempt,
      firstStep: one.firstStep ?? Infinity,
      isChanged: false,
    };
    const isEarlier = key.step < attempt.firstStep;
    this.#attempts.set(run, isEarlier ? { ...attempt, firstStep: key.step, isChanged: true } : attempt);
    if (recording !== undefined && one.digest === undefined) this.#addBatch(one, recording);
    this.#addScalars(one);
  }

  #addBatch(one: KnownRecording, recording: Recording): void {
    const { run, key } = one;
    const { step, attempt, rank } = key;
    this.#batches.set(batchName(run, key), { run, key, recording });
    const stepName = `${run} ${step}`;
    const changed = this.#steps.get(stepName);
    const same = (changed as Row | undefined) ?? one.step;
    const rankName = `${stepName} ${rank}`;
    const sameRank = (this.#ranks.get(rankName) as Row | undefined) ?? one.rank;
    this.#ranks.set(rankName, { run, step, rank, ...addToRank(sameRank, recording) });
    const ranks = Number(same?.['ranks'] ?? 0) + (sameRank === undefined ? 1 : 0);
    const isNew = changed?.isNew ?? same === undefined;
    const dropsRanks = changed?.dropsRanks ?? one.hasOldRanks;
    const after = { run, step, attempt, ranks, isNew, dropsRanks, ...addToStep(same, recording, key) };
    this.#steps.set(stepName, after);
    const of = this.#runs.get(run)!;
    of.batches++;
    of.steps += same === undefined ? 1 : 0;
    of.nonFinite += after.non_finite - Number(same?.['non_finite'] ?? 0);
    of.ranks = Math.max(of.ranks, rank + 1);
  }

  #addScalars({ run, key, scalars = [], known, series: first }: KnownRecording): void {
    const of = this.#runs.get(run)!;
    let next = first;
    for (const [k, [name, value]] of scalars.entries()) {
      if (known[k]!.value !== undefined) continue;
      const series = known[k]!.series ?? next++;
      const isNew = series >= first;
      if (isNew) of.series++;
      const seriesName = `${run} ${name}`;
      const changed = this.#series.get(seriesName) ?? { run, series, name, points: 0, isNew };
      changed.points++;
      this.#series.set(seriesName, changed);
      const { attempt, step, rank } = key;
      // SQLite cannot store −0: the sum −0 + 0 is 0.
      const row = { run, series, attempt, step, rank, value: toReal(value + 0) };
      this.#scalars.set(scalarName(run, series, key), { row, value });
    }
  }
}

const batchName = (run: number, { step, attempt, rank, microBatch }: BatchKey): string =>
  `${run} ${step} ${attempt} ${rank} ${microBatch}`;

const scalarName = (run: number, series: number, { step, attempt, rank }: BatchKey): string =>
  `${run} ${series} ${attempt} ${step} ${rank}`;
