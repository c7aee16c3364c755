/** Faults of PostgreSQL that docs/operations.md lists with their advice, and that pass without a restart of the service. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { read, readTable } from '../docs/pages.ts';
import { Replica } from '../replicas/replica.ts';
import { PostgresServer, execute } from './server.ts';

let postgres: PostgresServer;
beforeAll(async () => void (postgres = await PostgresServer.start()));
afterAll(() => postgres[Symbol.asyncDispose]());

const JSON_TYPE = { 'content-type': 'application/json' };
const EVALUATION = { method: 'POST', headers: JSON_TYPE, body: '{"logits":[[1,2,3]],"label":[2]}' };

const path = 'docs/operations.md';
const rows = readTable({ path, text: read(path) }, 'fault of PostgreSQL | clients see | goes on | what to do');

const record = (url: string, step: number): Promise<Response> =>
  fetch(`${url}/v1/runs/r/steps/${step}/ranks/0`, {
    method: 'PUT',
    headers: JSON_TYPE,
    body: JSON.stringify({ numerator: step, denominator: 1 }),
  });

const isAvailable = async (url: string): Promise<boolean> =>
  /^lossmeter_store_available 1$/m.test(await (await fetch(`${url}/metrics`)).text());

/** Creates a database of a user without superuser rights: limits do not apply to superusers. */
async function makeDatabase(): Promise<{ url: string; name: string }> {
  const url = await postgres.database();
  const name = url.slice(url.lastIndexOf('/') + 1);
  await execute(postgres.url('postgres'), `CREATE ROLE ${name} LOGIN; ALTER DATABASE ${name} OWNER TO ${name}`);
  return { url: url.replace('postgres@', `${name}@`), name };
}

/** Faults of the table that outage.postgres.ts tests. */
const OUTAGES = [
  'the server ended, or cannot be reached',
  'the server hangs',
  'a lock of another program on a run',
  'the server is away at the start',
  'no database, no rights, or a newer schema at the start',
];

/** Faults without a test: a full disk would need a separate file system for the server. */
const NOT_TESTED = ['disk of the server full'];

interface Fault {
  /** Row of the table. */
  fault: string;
  /** Statements that begin and end the fault, for the name of a database. */
  begin: (name: string) => string;
  end: (name: string) => string;
  advice: string;
  /** Status of a read of a run during the fault. */
  read: number;
}

const FAULTS: Fault[] = [
  {
    fault: 'the server is a standby, or read-only',
    begin: (name) => `ALTER DATABASE ${name} SET default_transaction_read_only = on`,
    end: (name) => `ALTER DATABASE ${name} RESET default_transaction_read_only`,
    advice: 'LOSSMETER_STORE must name the primary server, not a standby',
    read: 200,
  },
  {
    fault: 'no connection is left',
    begin: (name) => `ALTER DATABASE ${name} CONNECTION LIMIT 0`,
    end: (name) => `ALTER DATABASE ${name} CONNECTION LIMIT -1`,
    advice: 'Raise max_connections of the server, or lower LOSSMETER_STORE_CONNECTIONS',
    read: 503,
  },
  {
    fault: 'the user is refused',
    begin: (name) => `ALTER ROLE ${name} NOLOGIN`,
    end: (name) => `ALTER ROLE ${name} LOGIN`,
    advice: 'Look at the user and the password in LOSSMETER_STORE',
    read: 503,
  },
];

test('every fault of the table has a test, but for those named here', () => {
  const tested = [...FAULTS.map(({ fault }) => fault), ...OUTAGES, ...NOT_TESTED];
  expect(rows.map(([fault]) => fault!).toSorted()).toEqual(tested.toSorted());
});

test.each(FAULTS)(
  '$fault: the service says what to do, evaluates, and records once it is over',
  { timeout: 60_000 },
  async (one) => {
    const { url, name } = await makeDatabase();
    await using replica = await Replica.start({ LOSSMETER_STORE: url });
    expect((await record(replica.url, 0)).status).toBe(201);
    await expect.poll(() => isAvailable(replica.url)).toBe(true);

    /** Changes the database, and then breaks its connections, which still have the former state. */
    const change = async (statement: string): Promise<void> => {
      await execute(postgres.url('postgres'), statement);
      const ofDatabase = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`;
      await execute(postgres.url('postgres'), ofDatabase);
    };
    await change(one.begin(name));
    // The first recordings may get a connection that was just broken, for which there is no advice.
    const refusal = async (): Promise<unknown> => {
      const answer = await record(replica.url, 1);
      return { status: answer.status, ...((await answer.json()) as object) };
    };
    await expect.poll(refusal, { timeout: 10_000 }).toMatchObject({
      status: 503,
      code: 'store_unavailable',
      detail: expect.stringContaining(one.advice) as string,
    });
    // The check writes only after a recording has failed.
    await expect.poll(() => isAvailable(replica.url), { timeout: 20_000 }).toBe(false);
    const ready = await fetch(`${replica.url}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([
      200,
      { history: { available: false, detail: expect.stringContaining(one.advice) as string } },
    ]);
    expect((await fetch(`${replica.url}/v1/cross-entropy`, EVALUATION)).status).toBe(200);
    expect((await fetch(`${replica.url}/v1/runs/r`)).status).toBe(one.read);

    await change(one.end(name));
    await expect.poll(async () => (await record(replica.url, 1)).status, { timeout: 20_000 }).toBeOneOf([200, 201]);
    await expect.poll(() => isAvailable(replica.url), { timeout: 20_000 }).toBe(true);
  },
);
