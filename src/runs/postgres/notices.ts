import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { connectionOptions } from './database.ts';
import type { PostgresDatabase } from './database.ts';
import { LEADER_LOCK } from './locks.ts';

/** Channel of the notifications. */
const CHANNEL = 'lossmeter';

/** Milliseconds for which names of changed runs are gathered before one notification. */
const GATHER_MS = 20;

/** Most bytes of names in a notification. PostgreSQL requires a notification to be shorter than 8000 bytes. */
const MOST_BYTES = 7500;

/** Milliseconds between two looks for changes without a notification, and between attempts to connect again. */
const LOOK_MS = 5000;
const RETRY_MS = { first: 100, most: 5000 };

interface Notice {
  /** Replica that sends it. */
  by: string;
  runs: string[];
}

/**
 * Exchanges the names of changed runs with other replicas, by LISTEN and NOTIFY. Finds changes without a notification,
 * after the loss of a replica or of a connection, by their sequence numbers.
 */
export class Notices {
  readonly #url: string;
  readonly #database: PostgresDatabase;
  readonly #onChange: (run: string) => void;
  readonly #self: string = randomUUID();
  readonly #closing = new AbortController();
  #changed = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #sequence: number | undefined;
  #listening: Promise<void> | undefined;
  #leads = false;

  /** @param onChange called for each run that another replica changed */
  constructor(url: string, database: PostgresDatabase, onChange: (run: string) => void) {
    this.#url = url;
    this.#database = database;
    this.#onChange = onChange;
  }

  /** True while this replica is the leader, which reports changes to webhooks and to MLflow. */
  get leads(): boolean {
    return this.#leads;
  }

  start(): void {
    this.#listening = this.#listen();
  }

  /** Announces a changed run to the other replicas. */
  tell(run: string): void {
    this.#changed.add(run);
    this.#timer ??= setTimeout(() => void this.#send(), GATHER_MS);
  }

  /** Sends the gathered names, and stops listening. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#send();
    this.#closing.abort();
    await this.#listening;
  }

  async #send(): Promise<void> {
    this.#timer = undefined;
    const runs = [...this.#changed];
    this.#changed.clear();
    for (const some of groupsOf(runs)) {
      const notice: Notice = { by: this.#self, runs: some };
      // A notification need not be durable, so this does not wait for the disk.
      const sql = `SELECT set_config('synchronous_commit', 'off', true), pg_notify('${CHANNEL}', $1)`;
      // After a failure, other replicas find the changes by their sequence numbers.
      await this.#database.rows(sql, JSON.stringify(notice)).catch(() => undefined);
    }
  }

  async #listen(): Promise<void> {
    const { signal } = this.#closing;
    for (let pause = RETRY_MS.first; !signal.aborted; pause = Math.min(2 * pause, RETRY_MS.most)) {
      const connected = performance.now();
      await this.#listenOnce().catch(() => undefined);
      if (performance.now() - connected > RETRY_MS.most) pause = RETRY_MS.first;
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Listens until the connection is lost. */
  async #listenOnce(): Promise<void> {
    const { signal } = this.#closing;
    const client = new Client({ ...connectionOptions(this.#url), statement_timeout: 0, query_timeout: undefined });
    const lost = new AbortController();
    client.on('error', () => lost.abort());
    client.on('end', () => lost.abort());
    client.on('notification', ({ payload }) => this.#hear(payload));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      for (const ended = AbortSignal.any([signal, lost.signal]); !ended.aborted;) {
        const led = this.#leads;
        this.#leads ||= await tryToLead(client);
        await this.#lookForChanges(this.#leads && !led);
        await sleep(LOOK_MS, undefined, { signal: ended }).catch(() => undefined);
      }
    } finally {
      // The lock is lost with the connection.
      this.#leads = false;
      await client.end().catch(() => undefined);
    }
  }

  #hear(payload: string | undefined): void {
    const { by, runs } = JSON.parse(payload ?? '{}') as Partial<Notice>;
    if (by === this.#self) return;
    for (const run of runs ?? []) this.#onChange(run);
  }

  /** Announces runs with changes since the last look. @param anyway also announces the run that changed last */
  async #lookForChanges(anyway: boolean): Promise<void> {
    const newest = await this.#database.first('SELECT coalesce(max(sequence), 0) AS newest FROM lossmeter.steps');
    const sequence = Number(newest!['newest']);
    const before = Math.max(0, (this.#sequence ?? sequence) - (anyway ? 1 : 0));
    this.#sequence = Math.max(before, sequence);
    if (sequence <= before) return;
    const rows = await this.#database.rows(
      `SELECT name FROM lossmeter.runs
        WHERE id IN (SELECT run FROM lossmeter.steps WHERE sequence > $1)`,
      before,
    );
    for (const row of rows) this.#onChange(row['name'] as string);
  }
}

/** Takes the lock of the leader for as long as the connection lasts; false while another replica has it. */
async function tryToLead(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>(`SELECT pg_try_advisory_lock(${LEADER_LOCK}) AS taken`);
  return rows[0]!.taken;
}

/** Names in groups that fit in a notification; at least one in each. */
function* groupsOf(names: readonly string[]): Generator<string[]> {
  let group: string[] = [];
  let bytes = 0;
  for (const name of names) {
    // With its quotes, escapes and comma. A name takes at most 1027 bytes.
    const more = Buffer.byteLength(JSON.stringify(name)) + 1;
    if (group.length > 0 && bytes + more > MOST_BYTES) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(name);
    bytes += more;
  }
  if (group.length > 0) yield group;
}
