import pg from 'pg';
import type { ClientBase, PoolClient, QueryConfig, QueryResult } from 'pg';
import { LossmeterError } from '../../errors.ts';
import { tracing } from '../../tracing.ts';
import type { DatabaseCall } from '../../tracing.ts';
import type { Row } from '../rows.ts';
import { explain, isConflict } from './explain.ts';
import { migrate } from './migrate.ts';

/** Milliseconds to wait for a connection, for a lock of another transaction, and for a statement. */
const CONNECT_MS = 5000;
const LOCK_MS = 5000;
const STATEMENT_MS = 10_000;

/** Milliseconds after which the client abandons a statement. A reachable server would have cancelled it before. */
const ANSWER_MS = STATEMENT_MS + 2000;

/** Milliseconds after which an idle connection is closed. */
const IDLE_MS = 30_000;

/** Most attempts of a transaction that conflicts with others. */
const ATTEMPTS = 4;

/** OID of the type `bigint`, whose values are safe integers here. */
const INT8 = 20;

/** Value of a parameter of a statement. */
export type Parameter = null | number | string | Uint8Array | readonly (null | number | string | Uint8Array)[];

/** Statements of one connection. */
export interface Queries {
  /** Rows of a statement, which the connection prepares once. */
  rows: (sql: string, ...values: Parameter[]) => Promise<Row[]>;
  /** The first row; undefined when there is none. */
  first: (sql: string, ...values: Parameter[]) => Promise<Row | undefined>;
}

/** Statements of a transaction. */
export interface Transaction extends Queries {
  /** Sends a statement without waiting for its result. When it fails, the transaction fails. */
  send: (sql: string, ...values: Parameter[]) => void;
}

/** Settings of a database. */
export interface DatabaseOptions {
  /** URL of libpq: postgres://user:password@host:port/database?sslmode=… */
  url: string;
  /** Most connections at the same time. */
  connections: number;
}

/** Settings of every connection. */
export function connectionOptions(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: 'lossmeter',
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    lock_timeout: LOCK_MS,
    idle_in_transaction_session_timeout: STATEMENT_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    types: {
      getTypeParser: ((oid: number, format: 'text' | 'binary') =>
        oid === INT8 ? Number : (pg.types.getTypeParser(oid, format) as unknown)) as typeof pg.types.getTypeParser,
    },
  };
}

/**
 * A PostgreSQL database with a pool of connections. The first successful call opens it, and brings its schema up to date.
 * All methods reject with LossmeterError store_unavailable for faults that may be temporary.
 */
export class PostgresDatabase {
  readonly #pool: pg.Pool;
  /** Connections that were lost while they were used. */
  readonly #lost = new WeakSet<ClientBase>();
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor({ url, connections }: DatabaseOptions) {
    const options = { ...connectionOptions(url), max: connections, idleTimeoutMillis: IDLE_MS, pipeline: true };
    this.#pool = new pg.Pool(options);
    // An idle connection was lost: the pool has dropped it, and the next call connects anew.
    this.#pool.on('error', () => undefined);
    // A connection in use was lost: its statements fail too.
    this.#pool.on('connect', (client) => client.on('error', () => this.#lost.add(client)));
  }

  /** Connects, and brings the schema up to date. */
  async open(): Promise<void> {
    this.#opening ??= this.#withClient(migrate).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async rows(sql: string, ...values: Parameter[]): Promise<Row[]> {
    await this.open();
    return this.#withClient((client) => rowsOf(client, sql, values));
  }

  async first(sql: string, ...values: Parameter[]): Promise<Row | undefined> {
    return (await this.rows(sql, ...values))[0];
  }

  /** Runs several statements on one snapshot of the database. */
  async snapshot<T>(read: (queries: Queries) => Promise<T>): Promise<T> {
    return this.#transaction('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', read);
  }

  /**
   * Runs a change that takes effect completely or not at all. Repeats it after a conflict with another transaction, so
   * `change` must have no effects besides its statements. The change is durable when the promise resolves.
   */
  async transaction<T>(change: (queries: Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#transaction('BEGIN', change);
      } catch (error) {
        if (attempt === ATTEMPTS || !(error instanceof LossmeterError) || !isConflict(error.cause)) throw error;
      }
    }
  }

  async close(): Promise<void> {
    await (this.#closing ??= this.#pool.end());
  }

  async #transaction<T>(begin: string, use: (queries: Transaction) => Promise<T>): Promise<T> {
    await this.open();
    return this.#withClient(async (client) => {
      // The first statement does not wait for the answer to this one.
      const sent = new SentStatements();
      sent.add(ask(client, { text: begin }));
      const queries: Transaction = {
        rows: (sql, ...values) => rowsOf(client, sql, values),
        first: async (sql, ...values) => (await rowsOf(client, sql, values))[0],
        send: (sql, ...values) => sent.add(rowsOf(client, sql, values)),
      };
      try {
        const result = await use(queries);
        await Promise.all([sent.all(), commit(client)]);
        return result;
      } catch (error) {
        await ask(client, { text: 'ROLLBACK' }).catch(() => this.#lost.add(client));
        // Throws the failure of a sent statement instead, because it may have caused this error.
        await sent.all();
        throw error;
      }
    });
  }

  async #withClient<T>(use: (client: PoolClient) => Promise<T>): Promise<T> {
    let client: PoolClient | undefined;
    let isUsable = false;
    try {
      client = await this.#pool.connect();
      const result = await use(client);
      isUsable = true;
      return result;
    } catch (error) {
      isUsable = !this.#lost.has(client!) && isOfStatement(error);
      throw explain(error);
    } finally {
      client?.release(!isUsable);
    }
  }
}

/** Statements that were sent without waiting for their results. */
class SentStatements {
  readonly #all: Promise<unknown>[] = [];

  add(statement: Promise<unknown>): void {
    // all() reports a failure.
    statement.catch(() => undefined);
    this.#all.push(statement);
  }

  /** Waits for all. Rejects with the first failure. */
  async all(): Promise<void> {
    for (const one of this.#all) await one;
  }
}

/** True for an error that leaves the connection usable: the server rejected a statement, or the caller a result. */
function isOfStatement(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.severity === 'ERROR';
  return error instanceof LossmeterError;
}

/** @throws Error when the server rolled back: after a failed statement, it answers COMMIT with ROLLBACK */
async function commit(client: ClientBase): Promise<void> {
  const { command } = await ask(client, { text: 'COMMIT' });
  if (command !== 'COMMIT') throw new Error(`the transaction was not committed: the server answered ${command}`);
}

/** Names of prepared statements by their text. */
const names = new Map<string, string>();

async function rowsOf(client: ClientBase, text: string, values: readonly Parameter[]): Promise<Row[]> {
  let name = names.get(text);
  if (name === undefined) names.set(text, (name = `lossmeter_${names.size}`));
  const { rows } = await ask(client, { name, text, values: values as unknown[] });
  return rows;
}

/** Sends a statement. Its span has the text with placeholders, and never the values. */
function ask(client: ClientBase, statement: QueryConfig & { text: string }): Promise<QueryResult<Row>> {
  const query = (): Promise<QueryResult<Row>> => client.query(statement);
  return tracing.tracer === undefined ? query() : tracing.tracer.call(callOf(client, statement.text), query);
}

function callOf(client: ClientBase, statement: string): DatabaseCall {
  const { host, port, database } = client as unknown as Pick<pg.Client, 'host' | 'port' | 'database'>;
  return { system: 'postgresql', statement, server: { address: host, port, database } };
}
