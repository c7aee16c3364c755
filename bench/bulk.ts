/** Throughput of durable bulk recording of pairs and scalars, compared with bare databases that insert the same rows. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PostgresServer, execute, program } from '../test/postgres/server.ts';
import type { Comparison } from './comparison.ts';
import { startService } from './service.ts';
import { interleave, median } from './statistics.ts';

/** Items per request, each a pair and two scalars. */
const ITEMS = 1000;
const CLIENTS = 4;
const REQUESTS = 10;
const REPEATS = 3;

const GOAL = { atLeast: 0.3 } as const;

/** Measures the rates of bulk recording, in items per second. */
export async function benchBulk(): Promise<Comparison[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-bulk-'));
  try {
    await using postgres = await PostgresServer.start();
    const bare = await postgres.database();
    await execute(
      bare,
      TABLES.replaceAll('BLOB', 'bytea').replaceAll('REAL', 'float8').replaceAll('INTEGER', 'bigint'),
    );
    const settings = { LOSSMETER_WORKERS: '1' };
    await using onPostgres = await startService({
      environment: { ...settings, LOSSMETER_STORE: await postgres.database() },
    });
    await using onSqlite = await startService({
      environment: { ...settings, LOSSMETER_STORE: path.join(folder, 'runs.db') },
    });
    let round = 0;
    await record(onPostgres.port, `r${round++}`);
    await record(onSqlite.port, `r${round++}`);
    const rates: number[][] = [[], [], [], []];
    await interleave(REPEATS, [
      async () => void rates[0]!.push(await record(onSqlite.port, `r${round++}`)),
      async () => void rates[1]!.push(insert(path.join(folder, `bare-${round++}.db`))),
      async () => void rates[2]!.push(await record(onPostgres.port, `r${round++}`)),
      async () => void rates[3]!.push(await pgbench(folder, bare, round++)),
    ]);
    const [sqlite, bareSqlite, inPostgres, barePostgres] = rates.map(median) as [number, number, number, number];
    const what = `${CLIENTS} clients, ${ITEMS} items a request, each a pair and two scalars, durable: `;
    return [
      {
        what: `${what}SQLite`,
        figure: shown(sqlite),
        against: `prepared inserts of the same rows, a transaction for each request: ${shown(bareSqlite)}`,
        value: sqlite / bareSqlite,
        unit: '×',
        goal: GOAL,
      },
      {
        what: `${what}PostgreSQL`,
        figure: shown(inPostgres),
        against: `pgbench, prepared inserts of the same rows, a transaction for each request: ${shown(barePostgres)}`,
        value: inPostgres / barePostgres,
        unit: '×',
        goal: GOAL,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const shown = (rate: number): string => `${rate.toFixed(0)} items/s`;

/** Each client records one rank, one step after another. */
async function record(port: number, run: string): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const started = performance.now();
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, rank) => {
      for (let k = 0; k < REQUESTS; k++) {
        const lines = Array.from({ length: ITEMS }, (_unused, i) => {
          const step = k * ITEMS + i;
          return `{"step":${step},"rank":${rank},"numerator":${step + rank / 7},"denominator":16,"scalars":{"lr":${step / 3},"grad_norm":${rank / 9}}}`;
        });
        await post(agent, port, `/v1/runs/${run}/batches`, lines.join('\n'));
      }
    }),
  );
  agent.destroy();
  return (CLIENTS * REQUESTS * ITEMS) / ((performance.now() - started) / 1000);
}

function post(agent: Agent, port: number, target: string, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-ndjson', 'content-length': Buffer.byteLength(body) };
    const sent = request({ agent, host: '127.0.0.1', port, path: target, method: 'POST', headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.once('end', () => {
        const text = Buffer.concat(parts).toString();
        const isRecorded = answer.statusCode === 200 && text.split('{"status":201}').length === ITEMS + 1;
        if (isRecorded) resolve();
        else reject(new Error(`POST ${target} answered ${answer.statusCode}: ${text.slice(0, 200)}`));
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Tables with the columns, keys and indexes of the store that these items fill. */
const TABLES = `
CREATE TABLE batches (run INTEGER, step INTEGER, attempt INTEGER, rank INTEGER, micro_batch INTEGER, numerator REAL, denominator REAL,
  finite INTEGER, summary TEXT, diagnostics TEXT, digest BLOB, recorded_at INTEGER, device TEXT, label_digest BLOB,
  PRIMARY KEY (run, step, attempt, rank, micro_batch));
CREATE TABLE ranks (run INTEGER, step INTEGER, rank INTEGER, numerators BLOB, denominators BLOB, loss REAL, PRIMARY KEY (run, step, rank));
CREATE TABLE steps (run INTEGER, step INTEGER, attempt INTEGER, numerators BLOB, denominators BLOB, numerator REAL, denominator REAL,
  loss REAL, ranks INTEGER, least REAL, greatest REAL, bad_batches INTEGER, non_finite INTEGER, causes TEXT, summary TEXT,
  summary_rank INTEGER, summary_micro_batch INTEGER, recorded_at INTEGER, sequence INTEGER, PRIMARY KEY (run, step));
CREATE INDEX steps_by_loss ON steps (run, loss, step) WHERE loss IS NOT NULL;
CREATE INDEX steps_of_finite_loss ON steps (run, step, loss) WHERE loss IS NOT NULL;
CREATE INDEX steps_by_sequence ON steps (run, sequence);
CREATE INDEX steps_by_change ON steps (sequence);
CREATE TABLE scalars (run INTEGER, series INTEGER, attempt INTEGER, step INTEGER, rank INTEGER, value REAL,
  PRIMARY KEY (run, series, attempt, step, rank));
`;

/** Index that the store has only in SQLite. */
const SQLITE_INDEX = 'CREATE INDEX ranks_by_loss ON ranks (run, step, loss) WHERE loss IS NOT NULL;';

/** Inserts of the rows of an item; parameters are the run, the step, the rank and the loss. */
const INSERTS = [
  `INSERT INTO batches VALUES (?1, ?2, 0, ?3, 0, ?4, 16, 1, 'the loss is finite', NULL, 'DIGEST', 1700000000000, NULL, NULL)`,
  `INSERT INTO ranks VALUES (?1, ?2, ?3, 'NUMERATORS', 'NUMERATORS', ?4)`,
  `INSERT INTO steps VALUES (?1, ?2, 0, 'NUMERATORS', 'NUMERATORS', ?4, 16, ?4, 1, ?4, ?4, 0 * ?3, 0, '[]', NULL, NULL, NULL, 1700000000000, ?2)
    ON CONFLICT (run, step) DO UPDATE SET ranks = steps.ranks + 1, loss = excluded.loss, sequence = excluded.sequence`,
  'INSERT INTO scalars VALUES (?1, 0, 0, ?2, ?3, ?4)',
  'INSERT INTO scalars VALUES (?1, 1, 0, ?2, ?3, ?4)',
].map((sql) => sql.replace('DIGEST', 'd'.repeat(32)).replaceAll('NUMERATORS', 'n'.repeat(16)));

/** Inserts the same rows into an SQLite file, from one thread and without HTTP. */
function insert(file: string): number {
  const database = new DatabaseSync(file);
  const tables = TABLES.replaceAll(/PRIMARY KEY \(([^)]*)\)\);/g, 'PRIMARY KEY ($1)) WITHOUT ROWID;');
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${tables} ${SQLITE_INDEX}`);
  const statements = INSERTS.map((sql) =>
    database.prepare(sql.replaceAll(`'${'d'.repeat(32)}'`, `x'${'d'.repeat(64)}'`)),
  );
  const started = performance.now();
  for (let k = 0; k < REQUESTS; k++) {
    for (let rank = 0; rank < CLIENTS; rank++) {
      database.exec('BEGIN IMMEDIATE');
      for (let i = 0; i < ITEMS; i++) {
        const step = k * ITEMS + i;
        const values = { '1': 1, '2': step, '3': rank, '4': step / 16 };
        for (const statement of statements) statement.run(values);
      }
      database.exec('COMMIT');
    }
  }
  const rate = (CLIENTS * REQUESTS * ITEMS) / ((performance.now() - started) / 1000);
  database.close();
  return rate;
}

/** Inserts the same rows by pgbench: each client is a rank, and one transaction contains the rows of one request. */
async function pgbench(folder: string, url: string, round: number): Promise<number> {
  const script = path.join(folder, 'bulk.sql');
  const own = INSERTS.map((sql) =>
    sql.replaceAll(`'${'d'.repeat(32)}'`, "'\\\\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'"),
  );
  const lines = ['\\set first :first + 1', 'BEGIN;'];
  for (let i = 0; i < ITEMS; i++) {
    lines.push(`\\set step :first * ${ITEMS} + ${i}`);
    const values = [String(round), ':step', ':client_id', ':step'];
    for (const sql of own)
      lines.push(`${sql.replaceAll(/\?(\d)/g, (_, at: string) => values[Number(at) - 1]!).replaceAll('\n', ' ')};`);
  }
  writeFileSync(script, [...lines, 'COMMIT;', ''].join('\n'));
  const args = ['--no-vacuum', '--protocol=prepared', '--client', String(CLIENTS), '--jobs', '2'];
  const child = spawn(
    program('pgbench'),
    [...args, '--transactions', String(REQUESTS), '--define=first=-1', '--file', script, url],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const text = (await child.stdout.toArray()).join('');
  const rate = Number(/tps = ([\d.]+)/.exec(text)?.[1]);
  if (!(rate > 0)) throw new Error(`pgbench answered ${text}`);
  return rate * ITEMS;
}
