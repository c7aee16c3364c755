import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { BatchKey, Outcome, RecordedBatch, Recording, RunMetadata, RunSummary, StepPoint } from './record.ts';
import { inTransaction, openDatabase } from './sqlite-database.ts';
import { fromReal, toBatch, toDiagnosticsText, toReal, toStep } from './sqlite-rows.ts';
import type { Row } from './sqlite-rows.ts';
import { stepValue } from './step.ts';
import type { RunStore, StepLoss, StepRange } from './store.ts';

/** Points of a sparkline. */
const SPARKLINE = 64;

/** Batches that are read at a time. */
const PAGE = 1000;

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
      const run = this.#idOf(key.run) ?? this.#create(key.run);
      const { step, attempt, rank, microBatch } = key;
      const before = this.#get('SELECT attempt, non_finite FROM steps WHERE run = ? AND step = ?', run, step);
      if (before !== undefined && Number(before['attempt']) > attempt) return 'superseded';
      const known = this.#get(
        'SELECT digest FROM batches WHERE run = ? AND step = ? AND attempt = ? AND rank = ? AND micro_batch = ?',
        ...[run, step, attempt, rank, microBatch],
      );
      if (known !== undefined) {
        return Buffer.compare(known['digest'] as Uint8Array, recording.digest) === 0 ? 'repeated' : 'conflict';
      }
      this.#insert(run, key, recording);
      const point = this.#updateStep(run, step, attempt);
      this.#run(
        `UPDATE runs SET updated_at = ?, batches = batches + 1, steps = steps + ?,
           non_finite_steps = non_finite_steps + ?, ranks = max(ranks, ?) WHERE id = ?`,
        ...[this.#now(), before === undefined ? 1 : 0],
        ...[Number(point.nonFinite) - Number(before?.['non_finite'] ?? 0), rank + 1, run],
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
    return this.#run('DELETE FROM runs WHERE name = ?', run) > 0;
  }

  async run(name: string): Promise<RunSummary | undefined> {
    const row = this.#get('SELECT * FROM runs WHERE name = ?', name);
    return row && this.#summarize(row);
  }

  async runs(limit: number, before = Number.MAX_SAFE_INTEGER) {
    const rows = this.#all('SELECT * FROM runs WHERE id < ? ORDER BY id DESC LIMIT ?', before, limit + 1);
    const page = rows.slice(0, limit);
    return {
      runs: page.map((row) => this.#summarize(row)),
      next: rows.length > limit ? Number(page.at(-1)!['id']) : undefined,
    };
  }

  async newest(limit: number) {
    const rows = this.#all('SELECT id, name FROM runs WHERE steps > 0 ORDER BY updated_at DESC LIMIT ?', limit);
    return rows.map((row) => ({ run: row['name'] as string, last: this.#lastOf(Number(row['id']))! }));
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
      'SELECT step, loss, non_finite FROM steps WHERE run = ? AND step BETWEEN ? AND ? ORDER BY step',
    );
    statement.setReturnArrays(true);
    const rows = statement.all(this.#idOf(run) ?? null, from, to) as unknown as [number, number | null, number][];
    return rows.map(([step, loss, nonFinite]) => ({ step, loss: fromReal(loss), nonFinite: nonFinite === 1 }));
  }

  async lossesBefore(run: string, step: number, limit: number): Promise<number[]> {
    const rows = this.#all(
      `SELECT loss FROM steps WHERE run = ? AND step < ? AND loss > ? AND loss < ? ORDER BY step DESC LIMIT ?`,
      ...[this.#idOf(run) ?? null, step, -Infinity, Infinity, limit],
    );
    return rows.map((row) => Number(row['loss'])).toReversed();
  }

  async *batches(run: string, { from, to }: StepRange): AsyncGenerator<RecordedBatch> {
    // In pages, not by one long statement: others write meanwhile.
    for (let first = from; ;) {
      const steps = await this.steps(run, { from: first, to }, PAGE);
      for (const { step, attempt } of steps) yield* this.#batchesOf(this.#idOf(run) ?? null, step, attempt);
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
    return this.#all(sql, sequence, limit).map((row) => ({ run: row['name'] as string, step: toStep(row) }));
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

  #insert(run: number, { step, attempt, rank, microBatch }: BatchKey, recording: Recording): void {
    const { numerator, denominator, diagnostics, digest } = recording;
    this.#run(
      'INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[run, step, attempt, rank, microBatch, toReal(numerator), toReal(denominator)],
      ...[diagnostics.verdict === 'finite' ? 1 : 0, diagnostics.summary, toDiagnosticsText(diagnostics)],
      ...[digest, this.#now()],
    );
  }

  /** Makes the value of a step anew from its batches. */
  #updateStep(run: number, step: number, attempt: number): Pick<StepPoint, 'nonFinite'> {
    const value = stepValue(this.#batchesOf(run, step, attempt));
    const { rankLosses } = value;
    const sequence = this.#get('UPDATE sequence SET value = value + 1 RETURNING value')!['value']!;
    this.#run(
      'INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[run, step, attempt, toReal(value.numerator), toReal(value.denominator), toReal(value.loss), value.ranks],
      ...[rankLosses?.min ?? null, rankLosses?.max ?? null, value.nonFinite ? 1 : 0, JSON.stringify(value.causes)],
      ...[value.summary ?? null, value.recordedAt, sequence],
    );
    return value;
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
      'SELECT step, loss FROM steps WHERE run = ? AND loss > ? AND loss < ? ORDER BY loss, step LIMIT 1',
      ...[id, -Infinity, Infinity],
    );
    const expected = row['expected_ranks'];
    return {
      run: row['name'] as string,
      labels: JSON.parse(row['labels'] as string) as RunSummary['labels'],
      expectedRanks: expected === null ? undefined : Number(expected),
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
    const row = this.#get('SELECT step, loss FROM steps WHERE run = ? ORDER BY step DESC LIMIT 1', run);
    return row && { step: Number(row['step']), loss: fromReal(row['loss']) };
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
    return this.#prepare(sql).get(...values);
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values);
  }

  /** @returns how many rows it changed */
  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }
}
