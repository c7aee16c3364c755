/** The service while its database is slow, stopped, unreachable or misconfigured. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Replica } from '../replicas/replica.ts';
import { freePort } from '../../bench/free-port.ts';
import { PostgresServer, execute } from './server.ts';

let postgres: PostgresServer;
beforeAll(async () => void (postgres = await PostgresServer.start()));
afterAll(() => postgres[Symbol.asyncDispose]());

const JSON_TYPE = { 'content-type': 'application/json' };
const EVALUATION = { method: 'POST', headers: JSON_TYPE, body: '{"logits":[[1,2,3]],"label":[2]}' };

const pair = (numerator: number) => ({
  method: 'PUT',
  headers: JSON_TYPE,
  body: JSON.stringify({ numerator, denominator: 1 }),
});

const record = (url: string, step: number, run = 'r'): Promise<Response> =>
  fetch(`${url}/v1/runs/${run}/steps/${step}/ranks/0`, pair(step));

async function evaluations(url: string, count: number): Promise<{ statuses: number[]; slowest: number }> {
  let slowest = 0;
  const statuses: number[] = [];
  for (let k = 0; k < count; k++) {
    const started = performance.now();
    statuses.push((await fetch(`${url}/v1/cross-entropy`, EVALUATION)).status);
    slowest = Math.max(slowest, performance.now() - started);
  }
  return { statuses, slowest };
}

const isAvailable = async (url: string): Promise<boolean> =>
  /^lossmeter_store_available 1$/m.test(await (await fetch(`${url}/metrics`)).text());

describe.each(['SIGSTOP', 'SIGINT'] as const)('a database that gets %s', (signal) => {
  test(
    'holds no evaluation up; recordings can be repeated, and are there once it goes on',
    { timeout: 120_000 },
    async () => {
      await using replica = await Replica.start({ LOSSMETER_STORE: await postgres.database() });
      expect((await record(replica.url, 0)).status).toBe(201);
      // SIGSTOP suspends all processes of the server; SIGINT ends the server.
      const isStill = signal === 'SIGSTOP';
      if (isStill) postgres.signal('SIGSTOP');
      else await postgres.stop();
      try {
        const recordings = Array.from({ length: 300 }, (_, k) => record(replica.url, k + 1));
        await sleep(200);
        const { statuses, slowest } = await evaluations(replica.url, 100);
        expect(new Set(statuses)).toEqual(new Set([200]));
        expect(slowest).toBeLessThan(1000);
        const answers = await Promise.all(recordings);
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
        for (const answer of answers) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(await answers[0]!.json()).toMatchObject({ code: 'store_unavailable' });
      } finally {
        if (isStill) postgres.signal('SIGCONT');
        else await postgres.run();
      }
      await expect.poll(async () => (await record(replica.url, 1)).status, { timeout: 20_000 }).toBeOneOf([200, 201]);
      const again = await Promise.all(Array.from({ length: 300 }, (_, k) => record(replica.url, k + 1)));
      expect(again.every(({ ok }) => ok)).toBe(true);
      const run = (await (await fetch(`${replica.url}/v1/runs/r`)).json()) as Record<string, unknown>;
      expect(run).toMatchObject({ batches: 301, steps: 301 });
      await expect.poll(() => isAvailable(replica.url), { timeout: 10_000 }).toBe(true);
    },
  );
});

test(
  'a lock that another holds on a run is a refusal of its recordings, and of nothing else',
  { timeout: 60_000 },
  async () => {
    const url = await postgres.database();
    await using replica = await Replica.start({ LOSSMETER_STORE: url });
    expect((await record(replica.url, 0)).status).toBe(201);
    const locking = execute(
      url,
      "BEGIN; SELECT * FROM lossmeter.runs WHERE name = 'r' FOR UPDATE; SELECT pg_sleep(8); COMMIT",
    );
    await sleep(300);
    const refused = await record(replica.url, 1);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({
      detail: expect.stringContaining('lock timeout') as string,
    });
    expect((await fetch(`${replica.url}/v1/runs/r`)).status).toBe(200);
    await locking;
    expect((await record(replica.url, 1)).status).toBe(201);
  },
);

test(
  'a service that starts before its database evaluates, and records once it is there',
  { timeout: 60_000 },
  async () => {
    const url = await postgres.database();
    await postgres.stop();
    await using replica = await Replica.start({ LOSSMETER_STORE: url });
    expect((await evaluations(replica.url, 5)).statuses).toEqual([200, 200, 200, 200, 200]);
    const answer = await record(replica.url, 0);
    expect([answer.status, await answer.json()]).toEqual([
      503,
      expect.objectContaining({ detail: expect.stringContaining('ECONNREFUSED') as string }),
    ]);
    await postgres.run();
    await expect.poll(async () => (await record(replica.url, 0)).status, { timeout: 20_000 }).toBe(201);
  },
);

test.each([
  [
    'a database that is not there',
    async () => postgres.url('absent'),
    'database "absent" does not exist. Create the database',
  ],
  [
    'a schema of a newer version',
    async () => {
      const url = await postgres.database();
      await execute(
        url,
        'CREATE SCHEMA lossmeter; CREATE TABLE lossmeter.schema_version (version bigint); INSERT INTO lossmeter.schema_version VALUES (999)',
      );
      return url;
    },
    'its schema is version 999',
  ],
  [
    'a user who may not create a schema',
    async () => {
      const url = await postgres.database();
      await execute(url, "CREATE USER stranger PASSWORD 'sesame'");
      return url.replace('postgres@', 'stranger:sesame@');
    },
    'permission denied',
  ],
])(
  '%s is a start that fails, with the reason and without the password',
  { timeout: 60_000 },
  async (_, make, reason) => {
    const { status, stderr } = await startFails(await make());
    expect(status).toBe(1);
    expect(stderr).toContain('LOSSMETER_STORE');
    expect(stderr).toContain(reason);
    expect(stderr).not.toContain('sesame');
  },
);

async function startFails(store: string): Promise<{ status: number | null; stderr: string }> {
  const { spawnSync } = await import('node:child_process');
  const env = {
    ...process.env,
    LOSSMETER_STORE: store,
    LOSSMETER_PORT: String(await freePort()),
    LOSSMETER_LOG_LEVEL: 'fatal',
  };
  return spawnSync(process.execPath, ['src/cli/bin.js', 'serve'], { env, encoding: 'utf8', timeout: 30_000 });
}
