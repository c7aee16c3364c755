/** Facts of the history about recordings. */
import { withKeptRows } from '../disagreement/row-losses.ts';
import { NO_RUN } from '../known-recording.ts';
import type { KnownRecording, KnownScalar } from '../known-recording.ts';
import { overQuota } from '../quota.ts';
import type { Creator } from '../quota.ts';
import type { KeyedRecording } from '../record.ts';
import { fromReal } from '../rows.ts';
import { comparedLosses } from './judging.ts';
import { REMOVED_PATTERN } from './removal.ts';
import { seriesOf } from './scalars.ts';
import type { Statements } from './statements.ts';

/** Facts about the run of some recordings, before they are written. */
interface KnownRun {
  id: number;
  expectedRanks: number | null;
  series: number;
  /** The only attempt, and the last step with a batch: later batches are new. Undefined without exactly one attempt. */
  only: { attempt: number; firstStep: number; lastStep: number } | undefined;
}

/** Reads facts about recordings, in their order. Missing runs are created. */
export class History {
  readonly #statements: Statements;
  readonly #now: number;
  readonly #runs = new Map<string, KnownRun>();
  /** Numbers of series by run and name, cached because most recordings have the same names. */
  readonly #series = new Map<string, number>();

  /** @param now in milliseconds since 1970 */
  constructor(statements: Statements, now: number) {
    this.#statements = statements;
    this.#now = now;
  }

  *read(recordings: readonly KeyedRecording[]): Generator<KnownRecording> {
    for (const one of recordings) yield this.#known(one);
  }

  #known(one: KeyedRecording): KnownRecording {
    const { key, recording } = one;
    const run = this.#run(key.run, one.creator);
    const { id, expectedRanks, series, only } = run;
    const about = { ...this.#withKeptRows(id, one), run: id, expectedRanks, series, known: this.#scalars(id, one) };
    const none = { digest: undefined, step: undefined, rank: undefined, hasOldRanks: false, nextAttempt: undefined };
    if (only !== undefined && key.attempt === only.attempt && key.step > only.lastStep) {
      const attempt = key.step >= only.firstStep ? only.attempt : undefined;
      return { ...about, ...none, attempt, firstStep: only.firstStep };
    }
    const facts = { ...about, ...none, ...this.#attempts(id, key), nextAttempt: this.#nextAttempt(id, key.step) };
    return recording === undefined ? facts : { ...facts, ...this.#batch(id, one) };
  }

  #run(name: string, creator: Creator | undefined): KnownRun {
    const known = this.#runs.get(name);
    if (known !== undefined) return known;
    const row = this.#statements.get('SELECT id, expected_ranks, series FROM runs WHERE name = ?', name);
    if (row === undefined && isOverQuota(this.#statements, creator))
      return { id: NO_RUN, expectedRanks: null, series: 0, only: undefined };
    const id = row === undefined ? createRun(this.#statements, name, this.#now, creator) : Number(row['id']);
    const run = {
      id,
      expectedRanks: (row?.['expected_ranks'] ?? null) as number | null,
      series: Number(row?.['series'] ?? 0),
      only: this.#onlyAttempt(id),
    };
    this.#runs.set(name, run);
    return run;
  }

  #onlyAttempt(run: number): KnownRun['only'] {
    const rows = this.#statements.all('SELECT attempt, first_step FROM attempts WHERE run = ? LIMIT 2', run);
    if (rows.length !== 1) return undefined;
    const last = this.#statements.get('SELECT max(step) AS last FROM steps WHERE run = ?', run)!['last'];
    return {
      attempt: Number(rows[0]!['attempt']),
      firstStep: Number(rows[0]!['first_step']),
      lastStep: last === null ? -1 : Number(last),
    };
  }

  #attempts(run: number, { step, attempt }: KeyedRecording['key']): Pick<KnownRecording, 'attempt' | 'firstStep'> {
    const own = this.#statements.get('SELECT first_step FROM attempts WHERE run = ? AND attempt = ?', run, attempt);
    const at = attemptAt(this.#statements, run, step);
    return { attempt: at, firstStep: own && Number(own['first_step']) };
  }

  #nextAttempt(run: number, step: number): number | undefined {
    const sql = 'SELECT attempt FROM steps WHERE run = ? AND step >= ? ORDER BY step LIMIT 1';
    const row = this.#statements.get(sql, run, step);
    return row && Number(row['attempt']);
  }

  #batch(
    run: number,
    { key: { step, attempt, rank, microBatch } }: KeyedRecording,
  ): Pick<KnownRecording, 'digest' | 'step' | 'rank' | 'hasOldRanks'> {
    const batch = this.#statements.get(
      'SELECT digest FROM batches WHERE run = ? AND step = ? AND attempt = ? AND rank = ? AND micro_batch = ?',
      run,
      step,
      attempt,
      rank,
      microBatch,
    );
    const known = this.#statements.get(
      'SELECT * FROM steps WHERE run = ? AND step = ? AND attempt = ?',
      run,
      step,
      attempt,
    );
    const digest = batch?.['digest'] as Uint8Array | undefined;
    if (known === undefined) {
      const old = this.#statements.get('SELECT 1 FROM ranks WHERE run = ? AND step = ? LIMIT 1', run, step);
      return { digest, step: undefined, rank: undefined, hasOldRanks: old !== undefined };
    }
    const sql = 'SELECT numerators, denominators FROM ranks WHERE run = ? AND step = ? AND rank = ?';
    return { digest, step: known, rank: this.#statements.get(sql, run, step, rank), hasOldRanks: false };
  }

  #withKeptRows(run: number, one: KeyedRecording): KeyedRecording {
    return withKeptRows(one, {
      losses: (loss) => comparedLosses(this.#statements, run, one.key.step, loss),
      hasOthers: () => {
        const { step, rank, microBatch } = one.key;
        const sql = 'SELECT 1 FROM row_losses WHERE run = ? AND step = ? AND rank = ? AND micro_batch = ? LIMIT 1';
        return this.#statements.get(sql, run, step, rank, microBatch) !== undefined;
      },
    });
  }

  #scalars(run: number, { key, scalars = [] }: KeyedRecording): KnownScalar[] {
    return scalars.map(([name]) => {
      const series = this.#seriesOf(run, name);
      if (series === undefined) return { series, value: undefined };
      const row = this.#statements.get(
        'SELECT value FROM scalars WHERE run = ? AND series = ? AND attempt = ? AND step = ? AND rank = ?',
        run,
        series,
        key.attempt,
        key.step,
        key.rank,
      );
      return { series, value: row && fromReal(row['value']) };
    });
  }

  #seriesOf(run: number, name: string): number | undefined {
    const key = `${run} ${name}`;
    const series = this.#series.get(key) ?? seriesOf(this.#statements, run, name);
    if (series !== undefined) this.#series.set(key, series);
    return series;
  }
}

/** Current attempt at a step: the last live attempt that began at or before the step. */
export function attemptAt(statements: Statements, run: number, step: number): number | undefined {
  const row = statements.get(
    'SELECT attempt FROM attempts WHERE run = ? AND first_step <= ? AND live = 1 ORDER BY first_step DESC LIMIT 1',
    run,
    step,
  );
  return row && Number(row['attempt']);
}

/** @returns id of the run */
export function createRun(statements: Statements, run: string, now: number, creator: Creator | undefined): number {
  const sql = 'INSERT INTO runs (name, created_at, updated_at, owner) VALUES (?, ?, ?, ?) RETURNING id';
  return Number(statements.get(sql, run, now, now, creator?.owner ?? null)!['id']);
}

/** @throws LossmeterError quota_exceeded when a new run would exceed the quota of its creator */
export function requireQuota(statements: Statements, run: string, creator: Creator | undefined): void {
  if (creator !== undefined && isOverQuota(statements, creator)) throw overQuota(run, creator);
}

function isOverQuota(statements: Statements, { owner, mostRuns }: Partial<Creator> = {}): boolean {
  if (owner === undefined || mostRuns === undefined) return false;
  const sql = 'SELECT count(*) AS runs FROM runs WHERE owner = ? AND name NOT GLOB ?';
  return Number(statements.get(sql, owner, REMOVED_PATTERN)!['runs']) >= mostRuns;
}
