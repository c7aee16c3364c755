import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Drain } from '../drain.ts';
import type {
  BatchKey,
  CurvePoint,
  KeyedRecording,
  Outcome,
  Recording,
  RunMetadata,
  RunSummary,
  StepRange,
} from '../record.ts';
import type { RunPlace, RunQuery } from '../run-query.ts';
import type { BatchPage, BatchPlace, ChangePage, RunPage, RunStore, StepPage } from '../store.ts';
import { readAttempt } from '../attempt-steps.ts';
import type { AttemptPage, AttemptQuery } from '../attempt-steps.ts';
import type { BatchFacts, FactStore } from '../batch-facts.ts';
import { SqliteBatchFacts } from './batch-facts.ts';
import { SqliteAttemptRows } from './attempt-steps.ts';
import { readBatches } from './batches.ts';
import { openDatabase } from './database.ts';
import { openWithSpace } from './reserve.ts';
import type { Access } from './database.ts';
import { explain } from './explain.ts';
import { unpackFailure } from './failure.ts';
import { WriteGuard } from './guard.ts';
import type { GuardState } from './guard.ts';
import { JUDGED_COLUMNS, Judge } from './judging.ts';
import { openMemoryOnce, openSameFile } from './identity.ts';
import { quickCheck } from './quick-check.ts';
import { attemptAt, createRun, requireQuota } from './known.ts';
import { recordBatches } from './recording.ts';
import type { RecordOutcome } from '../recording.ts';
import type { Failure } from './failure.ts';
import { purgeSome, sizeOf, unlink, unlinkOldest, unlinked } from './removal.ts';
import { isRemoved } from '../removed.ts';
import type { Creator } from '../quota.ts';
import { METADATA_COLUMNS, STEP_COLUMNS, metadataColumns, toMetadata } from '../rows.ts';
import { listRuns } from './run-list.ts';
import { MOST_ATTEMPTS, readScalar } from '../scalars.ts';
import type { Attempt, ScalarExportPage, ScalarPage, ScalarPlace, ScalarQuery, ScalarSummary } from '../scalars.ts';
import { pickSteps } from './sampling.ts';
import { SqliteScalarRows, exportScalars, listAttempts, listScalars, liveAttempts, seriesOf } from './scalars.ts';
import { Statements } from './statements.ts';
import { SharedFacts } from './shared-facts.ts';
import { SqliteError } from './sqlite-error.ts';
import { readStepPage } from './step-page.ts';
import { lastOf, summarize } from './summary.ts';

/**
 * Runs in an SQLite file. Statements block their thread, so the service uses the store through thread/store.ts, which
 * runs it on its own threads. Long work yields to the event loop between its pages.
 */
export class SqliteStore implements RunStore, FactStore {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #guard: WriteGuard | undefined;
  readonly #now: () => number;
  readonly #purger = new Drain(() => this.#purge());
  #isClosing = false;

  /**
   * @param path of the file, or `:memory:`
   * @throws OpenError
   */
  constructor(
    path: string,
    now: () => number = Date.now,
    { access = 'write', facts = new SharedFacts() }: { access?: Access; facts?: SharedFacts } = {},
  ) {
    const database = path === ':memory:' ? openDatabase(path) : openWithSpace(path, access);
    this.#database = database;
    this.#guard = path === ':memory:' || access === 'read' ? undefined : new WriteGuard(database, path, facts);
    this.#statements = new Statements(database, this.#guard);
    this.#now = now;
  }

  /**
   * Opens a file, which must be the file that was opened first.
   * @throws OpenError
   */
  static open({ path, access, facts }: { path: string; access: Access; facts: SharedFacts }): SqliteStore {
    const open = (): SqliteStore => new SqliteStore(path, Date.now, { access, facts });
    return path === ':memory:' ? openMemoryOnce(facts, open) : openSameFile(path, facts, open);
  }

  /** Compares the files with their last known state. */
  async verify(): Promise<void> {
    this.#guard?.verify();
  }

  async check(): Promise<void> {
    // The probe must write: it increments the sequence number, which may have gaps.
    this.#guard?.check(() => this.#statements.run('UPDATE sequence SET value = value + 1'));
  }

  /** Checks for damage. Resolves to a description of the damage. */
  async inspect(): Promise<string | undefined> {
    try {
      quickCheck(this.#database);
      return undefined;
    } catch (error) {
      if (error instanceof SqliteError) return error.message;
      throw explain(error);
    }
  }

  /**
   * Refuses all changes from now on.
   * @param found description of the damage
   */
  async condemn(found: string): Promise<void> {
    this.#guard?.condemn(found);
  }

  /** State of the files, which changes when a change or a check fails. */
  async state(): Promise<GuardState> {
    return this.#guard?.state ?? 'intact';
  }

  /** Copies a lost log into the file; afterwards the connections must be closed and opened again. */
  async rescue(): Promise<void> {
    this.#guard?.rescue();
  }

  async record(key: BatchKey, recording: Recording): Promise<Outcome> {
    return (await this.recordMany([{ key, recording }]))[0]!;
  }

  async recordMany(recordings: readonly KeyedRecording[]): Promise<Outcome[]> {
    const outcomes = new Map<number, Outcome>();
    for (let left = [...recordings.keys()]; left.length > 0; left = left.filter((at) => !outcomes.has(at))) {
      const results = await this.recordAll(left.map((at) => recordings[at]!));
      for (const [k, result] of results.entries()) {
        if ('failure' in result) throw unpackFailure(result.failure);
        if ('outcome' in result) outcomes.set(left[k]!, result.outcome);
      }
      await nextTurn();
    }
    return [...recordings.keys()].map((at) => outcomes.get(at)!);
  }

  /** Records in one transaction, each with its own result. */
  async recordAll(recordings: readonly KeyedRecording[]): Promise<RecordOutcome<Failure>[]> {
    return recordBatches(this.#statements, recordings, this.#now());
  }

  async attemptOf(run: string, step: number): Promise<number | undefined> {
    return this.#read(run, (id) => attemptAt(this.#statements, id, step));
  }

  async describe(run: string, metadata: RunMetadata, creator?: Creator): Promise<boolean> {
    return this.#statements.transaction(() => {
      const known = this.#idOf(run);
      if (known === undefined) requireQuota(this.#statements, run, creator);
      const id = known ?? createRun(this.#statements, run, this.#now(), creator);
      for (const [column, value] of Object.entries(metadataColumns(metadata, this.#now()))) {
        if (value !== null) this.#statements.run(`UPDATE runs SET ${column} = ? WHERE id = ?`, value, id);
      }
      return known === undefined;
    });
  }

  async rename(run: string, name: string): Promise<'renamed' | 'unknown' | 'taken'> {
    return this.#statements.transaction(() => {
      const id = this.#idOf(run);
      if (id === undefined) return 'unknown';
      if ((this.#idOf(name) ?? id) !== id) return 'taken';
      this.#statements.run('UPDATE runs SET name = ? WHERE id = ?', name, id);
      return 'renamed';
    });
  }

  async remove(run: string): Promise<boolean> {
    if (!(await this.unlink(run))) return false;
    await this.purge();
    return true;
  }

  /** Removes a run from all replies; `purge` deletes its rows. */
  async unlink(run: string): Promise<boolean> {
    const id = this.#idOf(run);
    if (id !== undefined) unlink(this.#statements, id);
    return id !== undefined;
  }

  async removeOldest(before: number): Promise<string | undefined> {
    const run = await this.unlinkOldest(before);
    if (run !== undefined) await this.purge();
    return run;
  }

  /** Removes the oldest run from all replies, as `unlink` does. */
  async unlinkOldest(before: number): Promise<string | undefined> {
    return unlinkOldest(this.#statements, before);
  }

  async size(): Promise<number | undefined> {
    return unlinked(this.#statements) === undefined ? sizeOf(this.#statements) : undefined;
  }

  /** Purges removed runs whose purge a shutdown of the service interrupted. */
  async start(): Promise<void> {
    await this.purge();
  }

  /** Deletes the rows of removed runs in small steps: other changes are written in between. */
  async purge(): Promise<void> {
    this.#purger.request();
    await this.#purger.settled();
  }

  async run(name: string): Promise<RunSummary | undefined> {
    return this.#statements.snapshot(() => {
      const row = this.#statements.get('SELECT * FROM runs WHERE name = ?', name);
      return row && summarize(this.#statements, row);
    });
  }

  async runs(query: RunQuery, limit: number, after: RunPlace | undefined): Promise<RunPage> {
    return listRuns(this.#statements, query, { limit, after, now: this.#now() });
  }

  async newest(limit: number) {
    const sql = 'SELECT id, name FROM runs WHERE steps > 0 ORDER BY updated_at DESC LIMIT ?';
    return this.#statements.snapshot(() =>
      this.#statements.all(sql, limit).flatMap((row) => {
        const last = lastOf(this.#statements, Number(row['id']));
        return last === undefined ? [] : [{ run: row['name'] as string, last }];
      }),
    );
  }

  async idOf(run: string): Promise<number | undefined> {
    return this.#idOf(run);
  }

  async metadata(run: string): Promise<RunMetadata | undefined> {
    const row = this.#statements.get(`SELECT ${METADATA_COLUMNS} FROM runs WHERE name = ?`, run);
    return row && toMetadata(row);
  }

  async steps(run: string, { from, to }: StepRange, limit: number): Promise<CurvePoint[]> {
    const sql = `SELECT ${STEP_COLUMNS} FROM steps WHERE run = ? AND step BETWEEN ? AND ? ORDER BY step LIMIT ?`;
    const points = this.#read(run, (id) =>
      new Judge(this.#statements, id).consecutive(this.#statements.all(sql, id, from, to, limit)),
    );
    return points ?? [];
  }

  async stepsAt(run: string, steps: readonly number[]): Promise<CurvePoint[]> {
    const points = this.#read(run, (id) => {
      const judge = new Judge(this.#statements, id);
      // CROSS JOIN makes SQLite look up each listed step, and ORDER BY keeps the order of the list.
      const sql = `SELECT ${JUDGED_COLUMNS} FROM json_each(?) wanted CROSS JOIN steps
        ON steps.run = ? AND steps.step = wanted.value ORDER BY wanted.key`;
      return this.#statements.all(sql, JSON.stringify(steps), id).map((row) => judge.one(row));
    });
    return points ?? [];
  }

  async pickSteps(run: string, range: StepRange, maxPoints: number): Promise<number[]> {
    const id = this.#idOf(run);
    return id === undefined ? [] : pickSteps(this.#statements, id, range, maxPoints);
  }

  async batchesFrom(run: string, from: BatchPlace, to: number): Promise<BatchPage> {
    return this.#read(run, (id) => readBatches(this.#statements, id, from, to)) ?? { batches: [], next: undefined };
  }

  async stepPage(run: string, from: BatchPlace, limit: number): Promise<StepPage | undefined> {
    const id = this.#idOf(run);
    const page = id === undefined ? undefined : await readStepPage(this.#statements, id, from, limit);
    // A run that was removed meanwhile still has its rows for a moment.
    return this.#idOf(run) === id ? page : undefined;
  }

  async attempts(run: string): Promise<Attempt[] | undefined> {
    return this.#read(run, (id) => listAttempts(this.#statements, id));
  }

  async attemptSteps(run: string, query: AttemptQuery): Promise<AttemptPage | undefined> {
    const id = this.#idOf(run);
    if (id === undefined) return undefined;
    const live = liveAttempts(this.#statements, id, Number.MAX_SAFE_INTEGER, MOST_ATTEMPTS);
    const rows = new SqliteAttemptRows(this.#statements, id, query.attempt, live);
    return readAttempt(rows, query, new Judge(this.#statements, id).expectedRanks);
  }

  async facts(run: string): Promise<BatchFacts | undefined> {
    const id = this.#idOf(run);
    return id === undefined ? undefined : new SqliteBatchFacts(this.#statements, id);
  }

  async scalars(run: string): Promise<ScalarSummary[] | undefined> {
    const id = this.#idOf(run);
    return id === undefined ? undefined : listScalars(this.#statements, id);
  }

  async scalarCurve(run: string, name: string, query: ScalarQuery): Promise<ScalarPage | undefined> {
    const id = this.#idOf(run);
    const series = id === undefined ? undefined : seriesOf(this.#statements, id, name);
    return series === undefined ? undefined : readScalar(new SqliteScalarRows(this.#statements, id!, series), query);
  }

  async exportScalars(run: string, after: ScalarPlace, limit: number): Promise<ScalarExportPage> {
    return this.#read(run, (id) => exportScalars(this.#statements, id, after, limit)) ?? { rows: [], next: undefined };
  }

  async sequence(): Promise<number> {
    return Number(this.#statements.get('SELECT value FROM sequence')!['value']);
  }

  async changes(sequence: number, limit: number): Promise<ChangePage> {
    const sql = `SELECT ${JUDGED_COLUMNS}, run, name
      FROM steps JOIN runs ON runs.id = run WHERE sequence > ? ORDER BY sequence LIMIT ?`;
    return this.#statements.snapshot(() => {
      const judges = new Map<number, Judge>();
      const rows = this.#statements.all(sql, sequence, limit);
      const changed = rows
        .filter((row) => !isRemoved(row['name'] as string))
        .map((row) => {
          const runId = Number(row['run']);
          let judge = judges.get(runId);
          if (judge === undefined) judges.set(runId, (judge = new Judge(this.#statements, runId)));
          return { run: row['name'] as string, runId, step: judge.one(row) };
        });
      return { changed, last: Number(rows.at(-1)?.['sequence'] ?? sequence), isFull: rows.length === limit };
    });
  }

  async changedSince(run: string, sequence: number, limit: number): Promise<CurvePoint[]> {
    const sql = `SELECT ${JUDGED_COLUMNS} FROM steps WHERE run = ? AND sequence > ? ORDER BY sequence LIMIT ?`;
    const points = this.#read(run, (id) => {
      const judge = new Judge(this.#statements, id);
      return this.#statements.all(sql, id, sequence, limit).map((row) => judge.one(row));
    });
    return points ?? [];
  }

  /** Stops a purge early. The next start of the store continues it. */
  stopPurge(): void {
    this.#isClosing = true;
  }

  async close(): Promise<void> {
    this.stopPurge();
    await this.#purger.settled();
    this.#statements.close();
  }

  async #purge(): Promise<void> {
    try {
      for (let run = unlinked(this.#statements); run !== undefined; run = unlinked(this.#statements)) {
        while (!this.#isClosing && purgeSome(this.#statements, run)) await nextTurn();
        if (this.#isClosing) return;
      }
    } catch {
      // Each successful check requests the purge again, which continues it.
    }
  }

  /** Reads a run in one snapshot of the database; undefined for an unknown run. */
  #read<T>(run: string, read: (id: number) => T): T | undefined {
    return this.#statements.snapshot(() => {
      const id = this.#idOf(run);
      return id === undefined ? undefined : read(id);
    });
  }

  #idOf(run: string): number | undefined {
    const row = this.#statements.get('SELECT id FROM runs WHERE name = ?', run);
    return row && Number(row['id']);
  }
}
