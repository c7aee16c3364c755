/**
 * Throughput of recording, one pair per request, over replicas on PostgreSQL and on SQLite, compared with pgbench that
 * inserts the same rows.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PostgresServer, execute, program } from '../test/postgres/server.ts';
import type { Comparison } from './comparison.ts';
import { startService } from './service.ts';
import { interleave, median, percentile } from './statistics.ts';

const RECORDERS = 32;
const RANKS = 8;
const REPLICAS = 3;
const SECONDS = 6;
const REPEATS = 3;

const GOAL = { atLeast: 0.3 } as const;

/** Recordings per second, and milliseconds until an answer. */
interface Load {
  rate: number;
  median: number;
  p99: number;
}

export async function benchRecord(): Promise<Comparison[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-record-'));
  try {
    await using postgres = await PostgresServer.start();
    const store = await postgres.database();
    const bare = await postgres.database();
    await execute(bare, TABLES);
    const settings = { LOSSMETER_WORKERS: '1', LOSSMETER_MAX_CONNECTIONS: '200' };
    const replicas = await Promise.all(
      Array.from({ length: REPLICAS }, () => startService({ environment: { ...settings, LOSSMETER_STORE: store } })),
    );
    await using single = await startService({
      environment: { ...settings, LOSSMETER_STORE: path.join(folder, 'runs.db') },
    });
    try {
      let round = 0;
      const ports = replicas.map(({ port }) => port);
      // Warm-up without timing: code is compiled, and connections are opened.
      await record(ports, 'warm', 2);
      await record([single.port], 'warm', 2);
      const loads: Load[][] = [[], [], []];
      await interleave(REPEATS, [
        async () => void loads[0]!.push(await record(ports, `r${round++}`, SECONDS)),
        async () => void loads[1]!.push(await record([single.port], `r${round++}`, SECONDS)),
        async () => void loads[2]!.push(await pgbench(folder, bare, round++)),
      ]);
      const [ofReplicas, ofSqlite, ofPgbench] = loads.map(middle);
      const what = `${RECORDERS} recorders of a pair each, durable: `;
      return [
        {
          what: `${what}${REPLICAS} replicas on PostgreSQL`,
          figure: shown(ofReplicas!),
          against: `pgbench, the same rows: ${shown(ofPgbench!)}`,
          value: ofReplicas!.rate / ofPgbench!.rate,
          unit: '×',
          goal: GOAL,
        },
        {
          what: `${what}one process on SQLite`,
          figure: shown(ofSqlite!),
          against: `pgbench, the same rows: ${shown(ofPgbench!)}`,
          value: ofSqlite!.rate / ofPgbench!.rate,
          unit: '×',
        },
      ];
    } finally {
      await Promise.all(replicas.map((replica) => replica[Symbol.asyncDispose]()));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const shown = ({ rate, median: middleOne, p99 }: Load): string =>
  `${rate.toFixed(0)}/s, median ${middleOne.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;

function middle(loads: readonly Load[]): Load {
  const of = (key: keyof Load): number => median(loads.map((load) => load[key]));
  return { rate: of('rate'), median: of('median'), p99: of('p99') };
}

/** Each recorder records one rank of one of the runs, one step after another. */
async function record(ports: readonly number[], name: string, seconds: number): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: RECORDERS });
  const end = performance.now() + 1000 * seconds;
  const times: number[] = [];
  const started = performance.now();
  await Promise.all(
    Array.from({ length: RECORDERS }, async (_, recorder) => {
      const run = `${name}-${Math.floor(recorder / RANKS)}`;
      for (let step = 0; performance.now() < end; step++) {
        const began = performance.now();
        const target = `/v1/runs/${run}/steps/${step}/ranks/${recorder % RANKS}`;
        await put(
          agent,
          ports[recorder % ports.length]!,
          target,
          `{"numerator":${step + recorder / 7},"denominator":16}`,
        );
        times.push(performance.now() - began);
      }
    }),
  );
  const elapsed = performance.now() - started;
  agent.destroy();
  return { rate: times.length / (elapsed / 1000), median: percentile(times, 50), p99: percentile(times, 99) };
}

function put(agent: Agent, port: number, target: string, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const sent = request({ agent, host: '127.0.0.1', port, path: target, method: 'PUT', headers }, (answer) => {
      answer.resume();
      answer.once('end', () =>
        answer.statusCode === 201 ? resolve() : reject(new Error(`PUT ${target} answered ${answer.statusCode}`)),
      );
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Tables with the columns and keys of the store, in the schema `public`. */
const TABLES = `
CREATE TABLE runs (id bigint PRIMARY KEY, updated_at bigint, batches bigint NOT NULL DEFAULT 0, steps bigint NOT NULL DEFAULT 0);
CREATE TABLE batches (run bigint, step bigint, attempt bigint, rank bigint, micro_batch bigint, numerator float8, denominator float8,
  finite smallint, summary text, diagnostics text, digest bytea, recorded_at bigint, PRIMARY KEY (run, step, attempt, rank, micro_batch));
CREATE TABLE ranks (run bigint, step bigint, rank bigint, numerators bytea, denominators bytea, loss float8, PRIMARY KEY (run, step, rank));
CREATE TABLE steps (run bigint, step bigint, attempt bigint, numerators bytea, denominators bytea, numerator float8, denominator float8,
  loss float8, ranks bigint, least float8, greatest float8, bad_batches bigint, non_finite smallint, causes text, summary text,
  summary_rank bigint, summary_micro_batch bigint, recorded_at bigint, sequence bigint, PRIMARY KEY (run, step));
CREATE INDEX steps_by_loss ON steps (run, loss, step) WHERE loss IS NOT NULL;
CREATE INDEX steps_of_finite_loss ON steps (run, step) INCLUDE (loss) WHERE loss IS NOT NULL;
CREATE INDEX steps_by_sequence ON steps (run, sequence);
CREATE UNIQUE INDEX steps_by_change ON steps (sequence);
CREATE SEQUENCE changes;
INSERT INTO runs (id) SELECT generate_series(0, 999);
`;

/** Inserts of the rows of one recording, in one transaction. @param round number of the call, which selects different runs */
const transaction = (round: number): string => `\\set step :step + 1
\\set run ${10 * round} + :client_id / ${RANKS}
\\set rank :client_id % ${RANKS}
BEGIN;
INSERT INTO batches VALUES (:run, :step, 0, :rank, 0, :step, 16, 1, 'finite', NULL, decode(md5('x'), 'hex'), 1700000000000);
INSERT INTO ranks VALUES (:run, :step, :rank, decode(md5('n'), 'hex'), decode(md5('d'), 'hex'), :step / 16.0);
INSERT INTO steps VALUES (:run, :step, 0, decode(md5('n'), 'hex'), decode(md5('d'), 'hex'), :step, 16, :step / 16.0, 1,
  :step, :step, 0, 0, '[]', NULL, NULL, NULL, 1700000000000, nextval('changes'))
  ON CONFLICT (run, step) DO UPDATE SET ranks = steps.ranks + 1, numerators = excluded.numerators,
    denominators = excluded.denominators, loss = excluded.loss, sequence = excluded.sequence;
UPDATE runs SET batches = batches + 1, updated_at = 1700000000000 WHERE id = :run;
COMMIT;
`;

async function pgbench(folder: string, url: string, round: number): Promise<Load> {
  const script = path.join(folder, 'record.sql');
  writeFileSync(script, transaction(round));
  const log = path.join(folder, `pgbench-${round}`);
  const args = [
    '--no-vacuum',
    '--protocol=prepared',
    '--client',
    String(RECORDERS),
    '--jobs',
    '2',
    '--time',
    String(SECONDS),
    '--define=step=0',
    '--log',
    `--log-prefix=${log}`,
    '--file',
    script,
    url,
  ];
  const child = spawn(program('pgbench'), args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const text = (await child.stdout.toArray()).join('');
  const rate = Number(/tps = ([\d.]+)/.exec(text)?.[1]);
  if (!(rate > 0)) throw new Error(`pgbench answered ${text}`);
  const files = readdirSync(folder).filter((file) => file.startsWith(path.basename(log)));
  // The third column is the time of the transaction, in microseconds.
  const times = files.flatMap((file) =>
    readFileSync(path.join(folder, file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[2]) / 1000),
  );
  return { rate, median: percentile(times, 50), p99: percentile(times, 99) };
}
