import { setImmediate as nextTurn } from 'node:timers/promises';
import { LossmeterError } from '../../errors.ts';
import { Drain } from '../drain.ts';
import { RunPages } from '../pages.ts';
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
import { RecordingQueue } from '../recording-queue.ts';
import { overQuota } from '../quota.ts';
import type { Creator } from '../quota.ts';
import { METADATA_COLUMNS, lossOf, metadataColumns, toMetadata } from '../rows.ts';
import type { RunPlace, RunQuery } from '../run-query.ts';
import type { BatchPage, BatchPlace, ChangePage, RunPage, RunStore, StepPage } from '../store.ts';
import { readAttempt } from '../attempt-steps.ts';
import type { AttemptPage, AttemptQuery } from '../attempt-steps.ts';
import type { BatchFacts, FactStore } from '../batch-facts.ts';
import { PostgresBatchFacts } from './batch-facts.ts';
import { PostgresAttemptRows } from './attempt-steps.ts';
import { readBatches } from './batches.ts';
import { createWithin, rename } from './creation.ts';
import type { FollowerPosition } from '../follower.ts';
import { PostgresDatabase } from './database.ts';
import type { DatabaseOptions } from './database.ts';
import { isLasting } from './explain.ts';
import { Notices } from './notices.ts';
import { changedOfAll, changedSince, stepsAt, stepsOf } from './points.ts';
import { SharedPosition } from './position.ts';
import { recordBatches } from './recording.ts';
import { NOT_REMOVED, purgeSome, sizeOf, unlink, unlinkOldest } from './removal.ts';
import { isRemoved } from '../removed.ts';
import { listRuns } from './run-list.ts';
import { MOST_ATTEMPTS, readScalar } from '../scalars.ts';
import type { Attempt, ScalarExportPage, ScalarPage, ScalarPlace, ScalarQuery, ScalarSummary } from '../scalars.ts';
import { pickSteps } from './sampling.ts';
import { PostgresScalarRows, exportScalars, listAttempts, listScalars, liveAttempts, seriesOf } from './scalars.ts';
import { readStepPage } from './step-page.ts';
import { summaryByName } from './summary.ts';

/** Options of a store. */
export interface PostgresStoreOptions extends DatabaseOptions {
  /** Called for each run that another replica changed. */
  onChange?: (run: string) => void;
  /** Returns the time of recordings, in milliseconds since 1970. */
  now?: () => number;
}

/** Runs in a PostgreSQL database, which any number of replicas can share. */
export class PostgresStore implements RunStore, FactStore {
  readonly #database: PostgresDatabase;
  readonly #recordings: RecordingQueue;
  readonly #notices: Notices;
  readonly #now: () => number;
  readonly #purger = new Drain(() => this.#purge());
  readonly pages: RunPages;
  #isClosing = false;
  /** True from a failed change until a change or a check succeeds. */
  #hasFailed = false;

  constructor({ url, connections, onChange = () => undefined, now = Date.now }: PostgresStoreOptions) {
    this.#database = new PostgresDatabase({ url, connections });
    this.#notices = new Notices(url, this.#database, onChange);
    this.#now = now;
    this.pages = new RunPages(this);
    this.#recordings = new RecordingQueue((recordings) =>
      this.#changing(() => recordBatches(this.#database, recordings, this.#now())),
    );
  }

  /**
   * Connects, and brings the schema up to date. An unreachable server is not an error here: the next call connects.
   * @throws Error when the server rejects the user or the database, or when the schema is wrong or newer
   */
  async open(): Promise<void> {
    try {
      await this.#database.open();
    } catch (error) {
      if (!isLasting(error)) return;
      await this.#database.close();
      throw new Error(`LOSSMETER_STORE: ${(error as Error).message}`, { cause: error });
    }
  }

  async start(): Promise<void> {
    this.#notices.start();
    this.#purger.request();
  }

  async check(): Promise<void> {
    const row = await this.#database.first('SELECT pg_is_in_recovery() AS standby');
    if ((row!['standby'] as unknown) === true) {
      const detail = 'the history cannot be written: LOSSMETER_STORE names a standby, expected the primary server';
      throw new LossmeterError('store_unavailable', detail);
    }
    if (this.#hasFailed)
      await this.#changing(() => this.#database.rows('UPDATE lossmeter.probe SET checks = checks + 1'));
    this.#purger.request();
  }

  async record(key: BatchKey, recording: Recording): Promise<Outcome> {
    return (await this.recordMany([{ key, recording }]))[0]!;
  }

  async recordMany(recordings: readonly KeyedRecording[]): Promise<Outcome[]> {
    const outcomes = await this.#recordings.record(recordings);
    const changed = recordings.filter((_, k) => outcomes[k] === 'created').map(({ key }) => key.run);
    for (const run of new Set(changed)) this.#notices.tell(run);
    return outcomes;
  }

  async attemptOf(run: string, step: number): Promise<number | undefined> {
    const row = await this.#database.first(
      `SELECT attempt FROM lossmeter.attempts WHERE run = (SELECT id FROM lossmeter.runs WHERE name = $1)
        AND first_step <= $2 AND live = 1 ORDER BY first_step DESC LIMIT 1`,
      run,
      step,
    );
    return row && Number(row['attempt']);
  }

  async describe(run: string, metadata: RunMetadata, creator?: Creator): Promise<boolean> {
    const now = this.#now();
    const columns = Object.entries(metadataColumns(metadata, now));
    const isNew = await this.#changing(() =>
      this.#database.transaction(async (queries) => {
        const made = await createWithin(queries, { run, now, creator });
        if (made === 'over_quota') throw overQuota(run, creator!);
        await queries.rows(
          `UPDATE lossmeter.runs SET ${columns.map(([column], k) => `${column} = coalesce($${k + 2}, ${column})`).join(', ')}
            WHERE name = $1`,
          run,
          ...columns.map(([, value]) => value),
        );
        return made === 'created';
      }),
    );
    this.#notices.tell(run);
    return isNew;
  }

  async rename(run: string, name: string): Promise<'renamed' | 'unknown' | 'taken'> {
    const outcome = await this.#changing(() => rename(this.#database, run, name));
    for (const changed of outcome === 'renamed' ? [run, name] : []) this.#notices.tell(changed);
    return outcome;
  }

  async remove(run: string): Promise<boolean> {
    const found = await this.#changing(() => this.#database.transaction((queries) => unlink(queries, run)));
    if (found) this.#removed(run);
    return found;
  }

  async removeOldest(before: number): Promise<string | undefined> {
    const run = await this.#changing(() => this.#database.transaction((queries) => unlinkOldest(queries, before)));
    if (run !== undefined) this.#removed(run);
    return run;
  }

  size(): Promise<number> {
    return sizeOf(this.#database);
  }

  run(name: string): Promise<RunSummary | undefined> {
    return summaryByName(this.#database, name);
  }

  runs(query: RunQuery, limit: number, after: RunPlace | undefined): Promise<RunPage> {
    return listRuns(this.#database, query, { limit, after, now: this.#now() });
  }

  async newest(limit: number) {
    const rows = await this.#database.rows(
      `SELECT name, last.* FROM (
          SELECT id, name FROM lossmeter.runs WHERE steps > 0 AND ${NOT_REMOVED} ORDER BY updated_at DESC LIMIT $1
        ) runs, LATERAL (
          SELECT step, numerator, denominator FROM lossmeter.steps WHERE run = runs.id ORDER BY step DESC LIMIT 1
        ) last`,
      limit,
    );
    return rows.map((row) => ({ run: row['name'] as string, last: { step: Number(row['step']), loss: lossOf(row) } }));
  }

  async idOf(run: string): Promise<number | undefined> {
    const row = await this.#database.first('SELECT id FROM lossmeter.runs WHERE name = $1', run);
    return row && Number(row['id']);
  }

  async metadata(run: string): Promise<RunMetadata | undefined> {
    const row = await this.#database.first(`SELECT ${METADATA_COLUMNS} FROM lossmeter.runs WHERE name = $1`, run);
    return row && toMetadata(row);
  }

  steps(run: string, range: StepRange, limit: number): Promise<CurvePoint[]> {
    return stepsOf(this.#database, run, range, limit);
  }

  stepsAt(run: string, steps: readonly number[]): Promise<CurvePoint[]> {
    return stepsAt(this.#database, run, steps);
  }

  async pickSteps(run: string, range: StepRange, maxPoints: number): Promise<number[]> {
    const id = await this.idOf(run);
    if (id === undefined) return [];
    return this.#database.snapshot((queries) => pickSteps(queries, id, range, maxPoints));
  }

  async batchesFrom(run: string, from: BatchPlace, to: number): Promise<BatchPage> {
    const id = await this.idOf(run);
    return id === undefined ? { batches: [], next: undefined } : readBatches(this.#database, id, from, to);
  }

  async stepPage(run: string, from: BatchPlace, limit: number): Promise<StepPage | undefined> {
    return this.#database.snapshot(async (queries) => {
      const row = await queries.first('SELECT id FROM lossmeter.runs WHERE name = $1', run);
      return row && readStepPage(queries, Number(row['id']), from, limit);
    });
  }

  async attempts(run: string): Promise<Attempt[] | undefined> {
    const id = await this.idOf(run);
    return id === undefined ? undefined : listAttempts(this.#database, id);
  }

  async attemptSteps(run: string, query: AttemptQuery): Promise<AttemptPage | undefined> {
    return this.#database.snapshot(async (queries) => {
      const row = await queries.first(
        'SELECT id, coalesce(expected_ranks, ranks) AS expected FROM lossmeter.runs WHERE name = $1',
        run,
      );
      if (row === undefined) return undefined;
      const live = await liveAttempts(queries, Number(row['id']), Number.MAX_SAFE_INTEGER, MOST_ATTEMPTS);
      const rows = new PostgresAttemptRows(queries, Number(row['id']), query.attempt, live);
      return readAttempt(rows, query, Number(row['expected']));
    });
  }

  async facts(run: string): Promise<BatchFacts | undefined> {
    const id = await this.idOf(run);
    return id === undefined ? undefined : new PostgresBatchFacts(this.#database, id);
  }

  async scalars(run: string): Promise<ScalarSummary[] | undefined> {
    const id = await this.idOf(run);
    return id === undefined ? undefined : this.#database.snapshot((queries) => listScalars(queries, id));
  }

  async scalarCurve(run: string, name: string, query: ScalarQuery): Promise<ScalarPage | undefined> {
    const id = await this.idOf(run);
    const series = id === undefined ? undefined : await seriesOf(this.#database, id, name);
    if (series === undefined) return undefined;
    return this.#database.snapshot((queries) => readScalar(new PostgresScalarRows(queries, id!, series), query));
  }

  async exportScalars(run: string, after: ScalarPlace, limit: number): Promise<ScalarExportPage> {
    const id = await this.idOf(run);
    return id === undefined ? { rows: [], next: undefined } : exportScalars(this.#database, id, after, limit);
  }

  async sequence(): Promise<number> {
    const row = await this.#database.first('SELECT coalesce(max(sequence), 0) AS newest FROM lossmeter.steps');
    return Number(row!['newest']);
  }

  async changes(sequence: number, limit: number): Promise<ChangePage> {
    const all = await changedOfAll(this.#database, sequence, limit);
    return {
      changed: all.filter(({ run }) => !isRemoved(run)),
      last: all.at(-1)?.step.sequence ?? sequence,
      isFull: all.length === limit,
    };
  }

  changedSince(run: string, sequence: number, limit: number): Promise<CurvePoint[]> {
    return changedSince(this.#database, run, sequence, limit);
  }

  /** Position that the replicas share. @param name of the follower */
  position(name: string): FollowerPosition {
    return new SharedPosition(this.#database, this.#notices, name);
  }

  /** Waits for pending recordings, then closes all connections. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#recordings.settled();
    await this.#notices.close();
    await this.#purger.settled();
    await this.#database.close();
  }

  /** True while this replica is the leader, which does the work of all replicas. */
  get leads(): boolean {
    return this.#notices.leads;
  }

  #removed(run: string): void {
    this.#notices.tell(run);
    this.#purger.request();
  }

  /** Deletes the rows of removed runs in small steps: other changes are written in between. */
  async #purge(): Promise<void> {
    try {
      while (!this.#isClosing && (await purgeSome(this.#database))) await nextTurn();
    } catch {
      // Each successful check requests the purge again, which continues it.
    }
  }

  async #changing<T>(change: () => Promise<T>): Promise<T> {
    try {
      const result = await change();
      this.#hasFailed = false;
      return result;
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }
}
