import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BatchKey, Outcome, RecordedBatch, Recording, RunMetadata, RunSummary, StepPoint } from './record.ts';
import { explain, inTransaction, openDatabase } from './sqlite-database.ts';
import {
  fromReal,
  lossOf,
  tellOf,
  toBatch,
  toDiagnosticsText,
  toFinite,
  toMetadata,
  toReal,
  toStep,
  toSums,
} from './sqlite-rows.ts';
import type { Row } from './sqlite-rows.ts';
import { PairSum, isWrong } from './step.ts';
import type { RunStore, StepLoss, StepRange } from './store.ts';

/** Points of a sparkline. */
const SPARKLINE = 64;

/** Steps that are read at a time. */
const PAGE = 1000;

/** Losses that are read at a time. */
const LOSSES_PAGE = 20_000;

/** Steps that are removed at a time. */
const PURGED_STEPS = 200;

/** What a run that is being removed is called: no name that a run may have. */
const REMOVED = '~removed ';

/**
 * Runs in a file of SQLite: one process writes, and its transactions take a fraction of a millisecond, so they are not worth
 * a thread. Each change of a step is one transaction: its batch, its value and the counts of its run.
 */
export class SqliteStore implements RunStore {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #now: () => number;

  /**
   * @param path of the file, or `:memory:`
   * @throws Error when it cannot be opened
   */
  constructor(path: string, now: () => number = Date.now) {
    this.#database = openDatabase(path);
    this.#now = now;
  }

  async record(key: BatchKey, recording: Recording): Promise<Outcome> {
    return inTransaction(this.#database, () => {
      const row = this.#get('SELECT id, expected_ranks FROM runs WHERE name = ?', key.run);
      const expected = row?.['expected_ranks'] ?? null;
      if (expected !== null && key.rank >= Number(expected)) return 'unexpected';
      const run = row === undefined ? this.#create(key.run) : Number(row['id']);
      const { step, attempt, rank, microBatch } = key;
      const before = this.#get('SELECT * FROM steps WHERE run = ? AND step = ?', run, step);
      if (before !== undefined && Number(before['attempt']) > attempt) return 'superseded';
      const known = this.#get(
        'SELECT digest FROM batches WHERE run = ? AND step = ? AND attempt = ? AND rank = ? AND micro_batch = ?',
        ...[run, step, attempt, rank, microBatch],
      );
      if (known !== undefined) {
        return Buffer.compare(known['digest'] as Uint8Array, recording.digest) === 0 ? 'repeated' : 'conflict';
      }
      const now = this.#now();
      this.#insert(run, key, recording, now);
      const nonFinite = this.#addToStep(run, key, recording, before, now);
      this.#run(
        `UPDATE runs SET updated_at = ?, batches = batches + 1, steps = steps + ?,
           non_finite_steps = non_finite_steps + ?, ranks = max(ranks, ?) WHERE id = ?`,
        ...[now, before === undefined ? 1 : 0],
        ...[Number(nonFinite) - Number(before?.['non_finite'] ?? 0), rank + 1, run],
      );
      return 'created';
    });
  }

  async attemptOf(run: string, step: number): Promise<number | undefined> {
    const row = this.#get(
      'SELECT attempt FROM steps WHERE run = (SELECT id FROM runs WHERE name = ?) AND step = ?',
      ...[run, step],
    );
    return row && Number(row['attempt']);
  }

  async describe(run: string, { labels, expectedRanks }: RunMetadata): Promise<boolean> {
    return inTransaction(this.#database, () => {
      const known = this.#idOf(run);
      const id = known ?? this.#create(run);
      if (labels !== undefined) this.#run('UPDATE runs SET labels = ? WHERE id = ?', JSON.stringify(labels), id);
      if (expectedRanks !== undefined) this.#run('UPDATE runs SET expected_ranks = ? WHERE id = ?', expectedRanks, id);
      return known === undefined;
    });
  }

  async remove(run: string): Promise<boolean> {
    const id = this.#idOf(run);
    if (id === undefined) return false;
    // It is gone at once; what belongs to it goes bit by bit, for others write meanwhile.
    this.#run('UPDATE runs SET name = ? WHERE id = ?', `${REMOVED}${id}`, id);
    await this.#purge(id);
    return true;
  }

  /** Takes away what a service that ended meanwhile left of removed runs. */
  async start(): Promise<void> {
    const removed = this.#all('SELECT id FROM runs WHERE name GLOB ?', `${REMOVED}*`);
    for (const row of removed) await this.#purge(Number(row['id']));
  }

  async #purge(run: number): Promise<void> {
    for (;;) {
      const last = this.#get(
        'SELECT max(step) AS step FROM (SELECT step FROM steps WHERE run = ? ORDER BY step LIMIT ?)',
        ...[run, PURGED_STEPS],
      )!['step'];
      if (last === null || last === undefined) break;
      inTransaction(this.#database, () => {
        for (const table of ['batches', 'ranks', 'steps']) {
          this.#run(`DELETE FROM ${table} WHERE run = ? AND step <= ?`, run, last);
        }
      });
      await nextTurn();
    }
    this.#run('DELETE FROM runs WHERE id = ?', run);
  }

  async run(name: string): Promise<RunSummary | undefined> {
    const row = this.#get('SELECT * FROM runs WHERE name = ?', name);
    return row && this.#summarize(row);
  }

  async runs(limit: number, before = Number.MAX_SAFE_INTEGER) {
    const rows = this.#all(
      'SELECT * FROM runs WHERE id < ? AND name NOT GLOB ? ORDER BY id DESC LIMIT ?',
      ...[before, `${REMOVED}*`, limit + 1],
    );
    const page = rows.slice(0, limit);
    return {
      runs: page.map((row) => this.#summarize(row)),
      next: rows.length > limit ? Number(page.at(-1)!['id']) : undefined,
    };
  }

  async newest(limit: number) {
    const rows = this.#all(
      'SELECT id, name FROM runs WHERE steps > 0 AND name NOT GLOB ? ORDER BY updated_at DESC LIMIT ?',
      ...[`${REMOVED}*`, limit],
    );
    return rows.map((row) => ({ run: row['name'] as string, last: this.#lastOf(Number(row['id']))! }));
  }

  async metadata(run: string): Promise<RunMetadata | undefined> {
    const row = this.#get('SELECT labels, expected_ranks FROM runs WHERE name = ?', run);
    return row && toMetadata(row);
  }

  async ranksOf(run: string): Promise<number | undefined> {
    const row = this.#get('SELECT coalesce(expected_ranks, ranks) AS ranks FROM runs WHERE name = ?', run);
    return row && Number(row['ranks']);
  }

  async steps(run: string, { from, to }: StepRange, limit: number): Promise<StepPoint[]> {
    const sql = 'SELECT * FROM steps WHERE run = ? AND step BETWEEN ? AND ? ORDER BY step LIMIT ?';
    return this.#all(sql, this.#idOf(run) ?? null, from, to, limit).map(toStep);
  }

  async stepsAt(run: string, steps: readonly number[]): Promise<StepPoint[]> {
    const id = this.#idOf(run) ?? null;
    return steps.flatMap((step) => {
      const row = this.#get('SELECT * FROM steps WHERE run = ? AND step = ?', id, step);
      return row === undefined ? [] : [toStep(row)];
    });
  }

  async losses(run: string, { from, to }: StepRange): Promise<StepLoss[]> {
    const statement = this.#prepare(
      'SELECT step, loss, non_finite FROM steps WHERE run = ? AND step BETWEEN ? AND ? ORDER BY step LIMIT ?',
    );
    statement.setReturnArrays(true);
    const id = this.#idOf(run) ?? null;
    const losses: StepLoss[] = [];
    for (let first = from; ;) {
      const rows = statement.all(id, first, to, LOSSES_PAGE) as unknown as [number, number | null, number][];
      for (const [step, loss, nonFinite] of rows) {
        losses.push({ step, loss: loss ?? Number.NaN, nonFinite: nonFinite === 1 });
      }
      if (rows.length < LOSSES_PAGE) return losses;
      first = rows.at(-1)![0] + 1;
      await nextTurn();
    }
  }

  async lossesBefore(run: string, step: number, limit: number): Promise<number[]> {
    const rows = this.#all(
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
    return Number(this.#get('SELECT value FROM sequence')!['value']);
  }

  async changes(sequence: number, limit: number) {
    const sql =
      'SELECT steps.*, name FROM steps JOIN runs ON runs.id = run WHERE sequence > ? ORDER BY sequence LIMIT ?';
    return this.#all(sql, sequence, limit).map((row) => ({
      ...{ run: row['name'] as string, runId: Number(row['run']) },
      step: toStep(row),
    }));
  }

  async changedSince(run: string, sequence: number, limit: number): Promise<StepPoint[]> {
    const sql = 'SELECT * FROM steps WHERE run = ? AND sequence > ? ORDER BY sequence LIMIT ?';
    return this.#all(sql, this.#idOf(run) ?? null, sequence, limit).map(toStep);
  }

  async close(): Promise<void> {
    this.#statements.clear();
    this.#database.close();
  }

  #idOf(run: string): number | undefined {
    const row = this.#get('SELECT id FROM runs WHERE name = ?', run);
    return row && Number(row['id']);
  }

  #create(run: string): number {
    const now = this.#now();
    const sql = 'INSERT INTO runs (name, created_at, updated_at) VALUES (?, ?, ?) RETURNING id';
    return Number(this.#get(sql, run, now, now)!['id']);
  }

  #insert(run: number, { step, attempt, rank, microBatch }: BatchKey, recording: Recording, now: number): void {
    const { numerator, denominator, diagnostics, digest } = recording;
    this.#run(
      'INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[run, step, attempt, rank, microBatch, toReal(numerator), toReal(denominator)],
      ...[diagnostics.verdict === 'finite' ? 1 : 0, diagnostics.summary, toDiagnosticsText(diagnostics)],
      ...[digest, now],
    );
  }

  /**
   * Adds a batch to its rank and to its step, which begin anew with a higher attempt.
   * @param before the step as it was
   * @returns whether the step is not finite
   */
  #addToStep(run: number, key: BatchKey, recording: Recording, before: Row | undefined, now: number): boolean {
    const { step, attempt, rank, microBatch } = key;
    const same = before !== undefined && Number(before['attempt']) === attempt ? before : undefined;
    if (before !== undefined && same === undefined) {
      this.#run('DELETE FROM ranks WHERE run = ? AND step = ?', run, step);
    }
    const isNewRank = this.#addToRank(run, step, rank, recording);
    const sums = same === undefined ? PairSum.of() : PairSum.from(toSums(same));
    sums.add(recording);
    const value = sums.value;
    const range = this.#get(
      'SELECT min(loss) AS least, max(loss) AS greatest FROM ranks WHERE run = ? AND step = ? AND loss IS NOT NULL',
      ...[run, step],
    );
    const told = tellOf(same, recording, { rank, microBatch });
    const nonFinite = told.badBatches > 0 || isWrong(value);
    const { numerators, denominators } = sums.toBytes();
    const sequence = this.#get('UPDATE sequence SET value = value + 1 RETURNING value')!['value']!;
    this.#run(
      'INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[run, step, attempt, numerators, denominators, toReal(value.numerator), toReal(value.denominator)],
      ...[toFinite(value.loss), Number(same?.['ranks'] ?? 0) + Number(isNewRank)],
      ...[range!['least']!, range!['greatest']!, told.badBatches, Number(nonFinite), JSON.stringify(told.causes)],
      ...[told.summary, told.rank, told.microBatch, now, sequence],
    );
    return nonFinite;
  }

  /** @returns whether it is the first batch of the rank */
  #addToRank(run: number, step: number, rank: number, recording: Recording): boolean {
    const known = this.#get(
      'SELECT numerators, denominators FROM ranks WHERE run = ? AND step = ? AND rank = ?',
      ...[run, step, rank],
    );
    const sums = known === undefined ? PairSum.of() : PairSum.from(toSums(known));
    sums.add(recording);
    const { numerators, denominators } = sums.toBytes();
    this.#run(
      'INSERT OR REPLACE INTO ranks VALUES (?, ?, ?, ?, ?, ?)',
      ...[run, step, rank, numerators, denominators, toFinite(sums.value.loss)],
    );
    return known === undefined;
  }

  #batchesOf(run: number | null, step: number, attempt: number): RecordedBatch[] {
    const sql = 'SELECT * FROM batches WHERE run = ? AND step = ? AND attempt = ? ORDER BY rank, micro_batch';
    return this.#all(sql, run, step, attempt).map(toBatch);
  }

  #summarize(row: Row): RunSummary {
    const id = Number(row['id']);
    const first = this.#lossAt(id, 0);
    const last = this.#lastOf(id);
    const best = this.#get(
      'SELECT step, loss FROM steps WHERE run = ? AND loss IS NOT NULL ORDER BY loss, step LIMIT 1',
      id,
    );
    const { labels = {}, expectedRanks } = toMetadata(row);
    return {
      run: row['name'] as string,
      labels,
      expectedRanks,
      createdAt: Number(row['created_at']),
      updatedAt: Number(row['updated_at']),
      batches: Number(row['batches']),
      steps: Number(row['steps']),
      nonFiniteSteps: Number(row['non_finite_steps']),
      ranks: Number(row['ranks']),
      last,
      best: best && { step: Number(best['step']), loss: Number(best['loss']) },
      sparkline: first && last ? this.#sparkline(id, first.step, last.step) : [],
    };
  }

  #lastOf(run: number): { step: number; loss: number } | undefined {
    const row = this.#get(
      'SELECT step, numerator, denominator FROM steps WHERE run = ? ORDER BY step DESC LIMIT 1',
      run,
    );
    return row && { step: Number(row['step']), loss: lossOf(row) };
  }

  /** Finite losses about evenly spaced, found one by one: reading all of them would take their number. */
  #sparkline(run: number, first: number, last: number): number[] {
    const losses: number[] = [];
    const width = Math.max(1, (last - first) / (SPARKLINE - 1));
    for (let at = first; at <= last && losses.length < SPARKLINE;) {
      const found = this.#lossAt(run, Math.floor(at));
      if (found === undefined) break;
      if (Number.isFinite(found.loss)) losses.push(found.loss);
      at = Math.max(at + width, found.step + 1);
    }
    return losses;
  }

  /** The loss of the first step that is not before one. */
  #lossAt(run: number, step: number): StepLoss | undefined {
    const sql = 'SELECT step, loss, non_finite FROM steps WHERE run = ? AND step >= ? ORDER BY step LIMIT 1';
    const row = this.#get(sql, run, step);
    return row && { step: Number(row['step']), loss: fromReal(row['loss']), nonFinite: row['non_finite'] === 1 };
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#database.prepare(sql)));
    return statement;
  }

  #get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#attempt(() => this.#prepare(sql).get(...values));
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#attempt(() => this.#prepare(sql).all(...values));
  }

  /** @returns how many rows it changed */
  #run(sql: string, ...values: SQLInputValue[]): number {
    return this.#attempt(() => Number(this.#prepare(sql).run(...values).changes));
  }

  #attempt<T>(use: () => T): T {
    try {
      return use();
    } catch (error) {
      throw explain(error);
    }
  }
}
