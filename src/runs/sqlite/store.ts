import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BatchKey, Outcome, RecordedBatch, Recording, RunMetadata, RunSummary, StepPoint } from '../record.ts';
import type { RunStore, StepLoss, StepRange } from '../store.ts';
import { openDatabase } from './database.ts';
import { createRun, recordBatch } from './recording.ts';
import { REMOVED_PATTERN, purge, unlink, unlinked } from './removal.ts';
import { toBatch, toMetadata, toStep } from './rows.ts';
import { Statements } from './statements.ts';
import { lastOf, summarize } from './summary.ts';

/** Steps that are read at a time. */
const PAGE = 1000;

/** Losses that are read at a time. */
const LOSSES_PAGE = 20_000;

/**
 * Runs in a file of SQLite: one process writes, and its transactions take a fraction of a millisecond, so they are not worth
 * a thread. Each change of a step is one transaction: its batch, its value and the counts of its run.
 */
export class SqliteStore implements RunStore {
  readonly #statements: Statements;
  readonly #now: () => number;

  /**
   * @param path of the file, or `:memory:`
   * @throws Error when it cannot be opened
   */
  constructor(path: string, now: () => number = Date.now) {
    this.#statements = new Statements(openDatabase(path));
    this.#now = now;
  }

  async record(key: BatchKey, recording: Recording): Promise<Outcome> {
    return recordBatch(this.#statements, key, recording, this.#now());
  }

  async attemptOf(run: string, step: number): Promise<number | undefined> {
    const row = this.#statements.get(
      'SELECT attempt FROM steps WHERE run = (SELECT id FROM runs WHERE name = ?) AND step = ?',
      ...[run, step],
    );
    return row && Number(row['attempt']);
  }

  async describe(run: string, { labels, expectedRanks }: RunMetadata): Promise<boolean> {
    return this.#statements.transaction(() => {
      const known = this.#idOf(run);
      const id = known ?? createRun(this.#statements, run, this.#now());
      if (labels !== undefined)
        this.#statements.run('UPDATE runs SET labels = ? WHERE id = ?', JSON.stringify(labels), id);
      if (expectedRanks !== undefined)
        this.#statements.run('UPDATE runs SET expected_ranks = ? WHERE id = ?', expectedRanks, id);
      return known === undefined;
    });
  }

  async remove(run: string): Promise<boolean> {
    const id = this.#idOf(run);
    if (id === undefined) return false;
    unlink(this.#statements, id);
    await purge(this.#statements, id);
    return true;
  }

  /** Takes away what a service that ended meanwhile left of removed runs. */
  async start(): Promise<void> {
    for (const run of unlinked(this.#statements)) await purge(this.#statements, run);
  }

  async run(name: string): Promise<RunSummary | undefined> {
    const row = this.#statements.get('SELECT * FROM runs WHERE name = ?', name);
    return row && summarize(this.#statements, row);
  }

  async runs(limit: number, before = Number.MAX_SAFE_INTEGER) {
    const rows = this.#statements.all(
      'SELECT * FROM runs WHERE id < ? AND name NOT GLOB ? ORDER BY id DESC LIMIT ?',
      ...[before, REMOVED_PATTERN, limit + 1],
    );
    const page = rows.slice(0, limit);
    return {
      runs: page.map((row) => summarize(this.#statements, row)),
      next: rows.length > limit ? Number(page.at(-1)!['id']) : undefined,
    };
  }

  async newest(limit: number) {
    const rows = this.#statements.all(
      'SELECT id, name FROM runs WHERE steps > 0 AND name NOT GLOB ? ORDER BY updated_at DESC LIMIT ?',
      ...[REMOVED_PATTERN, limit],
    );
    return rows.map((row) => ({ run: row['name'] as string, last: lastOf(this.#statements, Number(row['id']))! }));
  }

  async metadata(run: string): Promise<RunMetadata | undefined> {
    const row = this.#statements.get('SELECT labels, expected_ranks FROM runs WHERE name = ?', run);
    return row && toMetadata(row);
  }

  async ranksOf(run: string): Promise<number | undefined> {
    const row = this.#statements.get('SELECT coalesce(expected_ranks, ranks) AS ranks FROM runs WHERE name = ?', run);
    return row && Number(row['ranks']);
  }

  async steps(run: string, { from, to }: StepRange, limit: number): Promise<StepPoint[]> {
    const sql = 'SELECT * FROM steps WHERE run = ? AND step BETWEEN ? AND ? ORDER BY step LIMIT ?';
    return this.#statements.all(sql, this.#idOf(run) ?? null, from, to, limit).map(toStep);
  }

  async stepsAt(run: string, steps: readonly number[]): Promise<StepPoint[]> {
    const id = this.#idOf(run) ?? null;
    return steps.flatMap((step) => {
      const row = this.#statements.get('SELECT * FROM steps WHERE run = ? AND step = ?', id, step);
      return row === undefined ? [] : [toStep(row)];
    });
  }

  async losses(run: string, { from, to }: StepRange): Promise<StepLoss[]> {
    const sql = 'SELECT step, loss, non_finite FROM steps WHERE run = ? AND step BETWEEN ? AND ? ORDER BY step LIMIT ?';
    const id = this.#idOf(run) ?? null;
    const losses: StepLoss[] = [];
    for (let first = from; ;) {
      const rows = this.#statements.arrays(sql, id, first, to, LOSSES_PAGE) as [number, number | null, number][];
      for (const [step, loss, nonFinite] of rows) {
        losses.push({ step, loss: loss ?? Number.NaN, nonFinite: nonFinite === 1 });
      }
      if (rows.length < LOSSES_PAGE) return losses;
      first = rows.at(-1)![0] + 1;
      await nextTurn();
    }
  }

  async lossesBefore(run: string, step: number, limit: number): Promise<number[]> {
    const rows = this.#statements.all(
      'SELECT loss FROM steps WHERE run = ? AND step < ? AND loss IS NOT NULL ORDER BY step DESC LIMIT ?',
      ...[this.#idOf(run) ?? null, step, limit],
    );
    return rows.map((row) => Number(row['loss'])).toReversed();
  }

  async *batches(run: string, { from, to }: StepRange): AsyncGenerator<RecordedBatch> {
    // In pages, not by one long statement: others write meanwhile.
    for (let first = from; ;) {
      const steps = await this.steps(run, { from: first, to }, PAGE);
      for (const { step, attempt } of steps) yield* this.#batchesOf(this.#idOf(run) ?? null, step, attempt);
      await nextTurn();
      if (steps.length < PAGE) return;
      first = steps.at(-1)!.step + 1;
    }
  }

  async sequence(): Promise<number> {
    return Number(this.#statements.get('SELECT value FROM sequence')!['value']);
  }

  async changes(sequence: number, limit: number) {
    const sql =
      'SELECT steps.*, name FROM steps JOIN runs ON runs.id = run WHERE sequence > ? ORDER BY sequence LIMIT ?';
    return this.#statements.all(sql, sequence, limit).map((row) => ({
      ...{ run: row['name'] as string, runId: Number(row['run']) },
      step: toStep(row),
    }));
  }

  async changedSince(run: string, sequence: number, limit: number): Promise<StepPoint[]> {
    const sql = 'SELECT * FROM steps WHERE run = ? AND sequence > ? ORDER BY sequence LIMIT ?';
    return this.#statements.all(sql, this.#idOf(run) ?? null, sequence, limit).map(toStep);
  }

  async close(): Promise<void> {
    this.#statements.close();
  }

  #idOf(run: string): number | undefined {
    const row = this.#statements.get('SELECT id FROM runs WHERE name = ?', run);
    return row && Number(row['id']);
  }

  #batchesOf(run: number | null, step: number, attempt: number): RecordedBatch[] {
    const sql = 'SELECT * FROM batches WHERE run = ? AND step = ? AND attempt = ? ORDER BY rank, micro_batch';
    return this.#statements.all(sql, run, step, attempt).map(toBatch);
  }
}
