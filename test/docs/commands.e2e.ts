/** Runs the shell commands of the README and of the docs unchanged. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Evaluation } from '../../src/contract/cross-entropy.ts';
import type { Comparison } from '../../src/contract/kl-divergence.ts';
import { ServiceProcess } from '../e2e/process.ts';
import { readSafetensors, safetensorsFile, withHeader } from '../safetensors-file.ts';
import { read, readPages, readBlocks, ROOT } from './pages.ts';
import type { Block } from './pages.ts';

const NPM_START = /^((?:\w+=\S+ )*)npm start$/;
const PRINTED_URL = 'http://127.0.0.1:8080';

/** Output of a command. */
interface Outcome {
  command: string;
  stdout: string;
  stderr: string;
  code: number;
}

const pages = readPages().filter(({ path }) => path !== 'CHANGELOG.md');
const blocks = pages.flatMap(readBlocks).filter(({ language }) => language === 'sh');

/** Finds a block by its beginning. */
function blockOf(path: string, beginning: string): Block {
  const block = blocks.find(({ place, text }) => place.startsWith(`${path}:`) && text.startsWith(beginning));
  if (block === undefined) throw new Error(`${path} has no block of commands that begins with ${beginning}`);
  return block;
}

/** Blocks that this suite runs. */
const RUN = [
  ['docs/evaluate.md', "curl -s -H 'Content-Type: application/vnd.msgpack'"],
  ['docs/formats.md', "curl -s -H 'Content-Type: application/vnd.safetensors'"],
  ['docs/local-data.md', 'LOSSMETER_DATA_DIR=examples npm start'],
  ['docs/local-data.md', 'npx lossmeter evaluate run-7/'],
  ['docs/local-data.md', 'curl -s --unix-socket'],
  ['docs/runs.md', 'curl -s -X PUT'],
  ['docs/keys.md', 'npx lossmeter keys create --name trainer '],
  ['docs/compare.md', 'curl -s'],
  ['docs/compare.md', 'npx lossmeter compare'],
  ['docs/sharding.md', 'mkdir partials'],
  ['docs/jobs.md', 'LOSSMETER_DATA_DIR=examples npm start'],
  ['docs/runs.md', "curl -s -H 'Content-Type: application/json' -d '["],
  ['README.md', "curl -s -H 'Content-Type: application/json' -d '{"],
  ['docs/keys.md', 'npx lossmeter keys create --name trainer-2'],
  ['docs/configuration.md', 'LOSSMETER_MAX_REQUESTS_PER_MINUTE'],
] as const;

/** Blocks with requirements that this suite lacks, with the suite that runs them. */
const ELSEWHERE = [
  ['README.md', 'npm ci && npm start', 'test/e2e/npm.e2e.ts runs npm start'],
  ['docs/getting-started.md', 'npm ci && npm start', 'test/e2e/npm.e2e.ts runs npm start'],
  ['docs/getting-started.md', 'pip install', 'npm run test:client'],
  ['docs/typescript.md', 'npm ci && npm pack', 'test/clients/typescript/packed.clients.ts'],
  ['README.md', 'docker build', 'test/container'],
  ['docs/container.md', 'docker build', 'test/container'],
  ['docs/container.md', 'docker run --rm -v', 'test/container'],
  ['README.md', 'npm ci && npm test', '.ci/run'],
  ['CONTRIBUTING.md', 'npm ci && npm test', '.ci/run'],
  ['clients/python/README.md', 'pip install', 'npm run test:client'],
  ['clients/python/README.md', 'python -m lossmeter', 'clients/python/tests/test_cli.py'],
  ['docs/python.md', 'pip install', 'npm run test:client'],
  ['test/vectors/README.md', 'pip install', 'nobody: it makes files that are committed, by PyTorch'],
  ['docs/jobs.md', 'LOSSMETER_STORE=postgres', 'test/postgres/jobs.postgres.ts'],
  ['docs/object-storage.md', 'export LOSSMETER_S3_BUCKETS', 'npm run test:s3, with a server of its own'],
  ['docs/object-storage.md', 'npx lossmeter evaluate s3://', 'test/s3/command-line.s3.ts'],
  ['docs/operations.md', 'npx lossmeter store copy', 'test/docs/history-file.e2e.ts'],
  ['docs/operations.md', 'sqlite3 lossmeter.db "VACUUM INTO', 'test/docs/history-file.e2e.ts'],
  ['docs/operations.md', 'sqlite3 lossmeter.db VACUUM', 'test/docs/history-file.e2e.ts'],
  ['docs/sharding.md', 'kubectl apply', 'nobody: it takes a cluster; test/deploy runs the commands of the jobs'],
  ['docs/import.md', 'export LOSSMETER_URL', 'test/e2e/runs-command.e2e.ts'],
  ['docs/import.md', 'npx lossmeter runs list', 'test/e2e/runs-command.e2e.ts'],
  ['docs/deploy.md', 'lossmeter store copy', 'test/postgres/copy.postgres.ts'],
  ['docs/deploy.md', 'pg_dump', 'test/postgres/backup.postgres.ts'],
  ['docs/deploy.md', 'pg_restore', 'test/postgres/backup.postgres.ts'],

  ['docs/kubernetes.md', 'docker build', 'test/container builds the image; nobody pushes it'],
  ['docs/kubernetes.md', 'npx lossmeter keys create --name trainer', 'nobody: it takes a cluster'],
  [
    'docs/kubernetes.md',
    'helm install lossmeter deploy/helm/lossmeter --namespace loss --create-namespace --values one',
    'test/helm',
  ],
  [
    'docs/kubernetes.md',
    'kubectl --namespace loss create secret generic lossmeter-database',
    'nobody: it takes a cluster',
  ],
  [
    'docs/kubernetes.md',
    'helm install lossmeter deploy/helm/lossmeter --namespace loss --create-namespace --values sev',
    'test/helm',
  ],
  ['docs/kubernetes.md', 'helm install lossmeter deploy/helm/lossmeter --namespace loss --values one', 'test/helm'],
  ['docs/kubernetes.md', 'npx lossmeter keys create --name prometheus', 'test/helm, but for the Secrets'],
  [
    'docs/kubernetes.md',
    'helm install lossmeter deploy/helm/lossmeter --namespace loss --values several-pods.yaml --values workers',
    'test/helm',
  ],
  [
    'docs/kubernetes.md',
    'helm install lossmeter deploy/helm/lossmeter --namespace loss --values several-pods.yaml --values monitoring',
    'test/helm',
  ],
] as const;

/** Folder that looks like a checkout, where commands may create files. */
let checkout = '';
let services: ServiceProcess[] = [];

beforeAll(() => {
  checkout = mkdtempSync(join(tmpdir(), 'lossmeter-commands-'));
  for (const name of readdirSync(ROOT)) {
    if (!/^(?:\.git|lossmeter\.db.*)$/.test(name)) symlinkSync(join(ROOT, name), join(checkout, name));
  }
  // Replaces npx, which needs seconds to find the command. test/e2e/npm.e2e.ts runs npx itself.
  mkdirSync(join(checkout, 'bin'));
  const npx = join(checkout, 'bin', 'npx');
  writeFileSync(npx, `#!/bin/sh\nshift\nexec "${process.execPath}" src/cli/bin.js "$@"\n`);
  chmodSync(npx, 0o755);
});

afterEach(async () => {
  for (const service of services) await service.end();
  services = [];
});

afterAll(() => rmSync(checkout, { recursive: true }));

async function start(environment: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await ServiceProcess.start(environment, { cwd: checkout });
  services.push(service);
  return service;
}

async function runCommand(command: string, environment: Record<string, string>): Promise<Outcome> {
  const env = {
    ...process.env,
    PATH: `${checkout}/bin:${process.env['PATH']}`,
    LOSSMETER_STORE: ':memory:',
    ...environment,
  };
  const child = spawn('bash', ['-c', command], { cwd: checkout, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, code] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    new Promise<number>((resolve, reject) => child.once('error', reject).once('exit', (exit) => resolve(exit ?? -1))),
  ]);
  return { command, stdout, stderr, code };
}

/**
 * Runs the lines of a block in order. `npm start` starts a service on a free port, and later lines call that service.
 * @param url address of the service that lines before `npm start` call
 */
async function runBlock({ text }: Block, url = ''): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let [called, key] = [url, ''];
  for (const line of text.trim().split('\n')) {
    const command = line.replace(/ {2,}# .*$/, '');
    const settings = NPM_START.exec(command)?.[1];
    if (settings !== undefined) {
      const pairs = settings
        .trim()
        .split(' ')
        .map((pair) => pair.split('=') as [string, string]);
      called = (await start(Object.fromEntries(pairs))).url;
      continue;
    }
    const outcome = await runCommand(command.replaceAll(PRINTED_URL, called), { LOSSMETER_API_KEY: key });
    key = /^lm_\S+/.exec(outcome.stdout)?.[0] ?? key;
    outcomes.push(outcome);
  }
  return outcomes;
}

/** JSON documents that commands printed. Expects that all commands succeeded. */
function answersOf(outcomes: Outcome[]): Record<string, unknown>[] {
  return outcomes.map(({ command, stdout, stderr, code }) => {
    expect([code, stderr], command).toEqual([0, '']);
    return JSON.parse(stdout) as Record<string, unknown>;
  });
}

test('every block of commands is run here, or said to be run elsewhere', () => {
  const known = [...RUN, ...ELSEWHERE].map(([path, beginning]) => blockOf(path, beginning).place);
  expect(known.toSorted()).toEqual(blocks.map(({ place }) => place).toSorted());
});

test('a block of commands says that it is one', () => {
  const programs = /^(?:\w+=\S+ )*(?:curl|docker|helm|kubectl|lossmeter|node|npm|npx|pg_\w+|pip|python3?|sqlite3)\b/;
  const others = pages.flatMap(readBlocks).filter(({ language }) => language === '' || language === 'text');
  expect(others.filter(({ text }) => programs.test(text)).map(({ place }) => place)).toEqual([]);
});

test('the README’s NaN is explained as it says', async () => {
  const service = await start();
  const [{ stdout }] = (await runBlock(blockOf(...RUN[12]), service.url)) as [Outcome];
  const [, promised] = /^```text\n([\s\S]*?)^```$/m.exec(read('README.md'))!;
  expect(stdout).toBe(promised);
});

describe('the batch of docs/evaluate.md', () => {
  const [, promised = ''] = /^(\{"loss".*\})$/m.exec(read('docs/evaluate.md'))!;

  test('prints what the page says', async () => {
    const service = await start();
    const { stdout } = (await runBlock(blockOf(...RUN[0]), service.url))[0]!;
    const [answer, said] = [stdout, promised].map((json) => JSON.parse(json) as Evaluation) as [Evaluation, Evaluation];
    expect(answer).toMatchObject({ rows: said.rows, diagnostics: said.diagnostics, denominator: said.denominator });
    expect(Object.keys(answer)).toEqual(Object.keys(said));
    // A machine without fused multiply-add uses the strict kernel, whose last bits differ.
    expect(answer.loss).toBeCloseTo(said.loss!, 8);
    if (answer.kernel === said.kernel) expect(stdout).toBe(promised);
    expect((await runBlock(blockOf(...RUN[1]), service.url))[0]!.stdout, 'as safetensors').toBe(stdout);
  });

  test('is read from the data directory', async () => {
    const [answer] = answersOf(await runBlock(blockOf(...RUN[2])));
    expect(answer).toMatchObject({ rows: { total: 8192, counted: 8192, masked: 0 } });
  });

  test('is evaluated from files, in the four ways that docs/local-data.md shows', async () => {
    const example = join(ROOT, 'examples', 'char-lm.safetensors');
    mkdirSync(join(checkout, 'run-7', 'a'), { recursive: true });
    for (const file of ['run-7/rank-0', 'run-7/a/rank-1', 'step-100'])
      copyFileSync(example, join(checkout, `${file}.safetensors`));
    writeFileSync(join(checkout, 'eval.safetensors'), renameTensor(example, 'label', 'targets'));

    const [folder, pattern, json, renamed] = await runBlock(blockOf(...RUN[3]));
    const total = (outcome: Outcome): string[] => /^total +(\d+) +(\d+) +(\S+)/m.exec(outcome.stdout)?.slice(1) ?? [];
    expect([folder, pattern, json, renamed].map((outcome) => outcome!.code)).toEqual([0, 0, 0, 0]);
    expect(total(folder!)).toEqual(['8192', '8113', '1.33123829']);
    expect(total(pattern!)).toEqual(['16384', '16226', '1.33123829']);
    expect(total(renamed!)).toEqual(['8192', '8113', '1.33123829']);
    const document = JSON.parse(json!.stdout) as { total: { loss: number }; files: { file: string; loss: number }[] };
    expect(document.files).toMatchObject([{ file: 'step-100.safetensors', loss: document.total.loss }]);
    expect(document.total.loss).toBeGreaterThan(2);
  });
});

test('a service on a Unix socket answers', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lossmeter-'));
  const { text, ...block } = blockOf(...RUN[4]);
  await start({ LOSSMETER_SOCKET: `${folder}/http.sock` });
  const answers = answersOf(await runBlock({ ...block, text: text.replace('/run/lossmeter', folder) }));
  expect(answers).toEqual([{ live: true }]);
  for (const service of services) await service.end();
  expect(readdirSync(folder), 'the socket is removed at the end').toEqual([]);
  rmSync(folder, { recursive: true });
});

test('a run is recorded, and has its two steps', async () => {
  const service = await start();
  const [evaluated, pair, curve] = answersOf(await runBlock(blockOf(...RUN[5]), service.url));
  expect(evaluated).toMatchObject({ denominator: 8113, rows: { total: 8192 } });
  expect(pair).toMatchObject({ numerator: 10800.3, denominator: 8113, loss: 10800.3 / 8113 });
  expect(curve).toMatchObject({ steps: [{ step: 1 }, { step: 2, numerator: 10800.3 }] });
});

test('many pairs and scalars are recorded in one request', async () => {
  const service = await start();
  const [recorded, scalars] = answersOf(await runBlock(blockOf(...RUN[11]), service.url));
  expect(recorded).toEqual({ results: [{ status: 201 }, { status: 201 }] });
  expect(scalars).toMatchObject({ scalars: [{ name: 'grad_norm/layers.3', last_step: 4 }, { name: 'lr' }] });
});

test('a key is made, let in and replaced by another', async () => {
  const [created, info] = await runBlock(blockOf(...RUN[6]));
  expect([created!.code, created!.stdout]).toEqual([0, expect.stringMatching(/^lm_\S+\n$/)]);
  expect(JSON.parse(info!.stdout)).toMatchObject({ name: 'lossmeter' });
  const { url } = services[0]!;
  const call = async ({ stdout }: Outcome): Promise<number> =>
    (await fetch(`${url}/v1/info`, { headers: { 'x-api-key': stdout.trim() } })).status;
  expect(await call(created!), 'X-API-Key').toBe(200);

  const [second, list, revoked] = (await runBlock(blockOf(...RUN[13]))) as [Outcome, Outcome, Outcome];
  expect(list.stdout).toMatch(/^trainer .*\ntrainer-2 /m);
  expect([revoked.code, revoked.stderr]).toEqual([0, 'The key trainer is revoked.\n']);
  // The page promises one second. Reading the file takes additional time.
  await expect.poll(() => call(created!), { timeout: 2000 }).toBe(401);
  expect(await call(second)).toBe(200);
});

test('a limit that is set is among those of the service', async () => {
  const [info] = answersOf(await runBlock(blockOf(...RUN[14])));
  expect(info).toMatchObject({ limits: { max_requests_per_minute: 600 } });
});

describe('the page about comparisons', () => {
  const { text } = pages.find(({ path }) => path === 'docs/compare.md')!;

  test('says what the service answers', async () => {
    const service = await start();
    const [comparison] = answersOf(await runBlock(blockOf(...RUN[7]), service.url)) as unknown as Comparison[];
    const said = (pattern: RegExp): number => Number(pattern.exec(text)![1]);
    expect(comparison!.kl_divergence.mean).toBeCloseTo(said(/divergence is ([\d.]+) nats/), 8);
    expect(comparison!.perplexity!.ratio.value).toBeCloseTo(said(/perplexities is\s+([\d.]+\d)/), 7);
    expect(comparison!.top1_agreement.fraction).toBe(1);
  });

  test('compares files in the three ways that it shows', async () => {
    const fixture = (name: string): string => join(ROOT, 'test', 'fixtures', 'llama-kld', name);
    const near = readFileSync(fixture('near.safetensors'));
    copyFileSync(fixture('base.kld'), join(checkout, 'base.kld'));
    writeFileSync(join(checkout, 'near.safetensors'), near);
    for (const folder of ['bf16', 'fp8']) {
      mkdirSync(join(checkout, folder));
      for (const name of ['0', '1']) writeFileSync(join(checkout, folder, `${name}.safetensors`), near);
    }
    const { tensors } = readSafetensors(near);
    const both = { ...tensors, reference: tensors['logits']! };
    writeFileSync(join(checkout, 'both.safetensors'), safetensorsFile(Object.entries(both)));

    const [table, folders, json] = await runBlock(blockOf(...RUN[8]));
    expect([table, folders, json].map((outcome) => [outcome!.code, outcome!.stderr])).toEqual([
      [0, ''],
      [0, ''],
      [0, ''],
    ]);
    expect(table!.stdout).toMatch(/^Mean {4}KLD: {3}0\.0011/m);
    expect(folders!.stdout).toMatch(/^Same top p: 100\.000/m);
    expect(JSON.parse(json!.stdout)).toMatchObject({ total: { numerator: 0, rows: { total: 504 } } });
  });
});

test('a job of the examples has the result of its file', async () => {
  const [created, events, result] = await runBlock(blockOf(...RUN[10]));
  expect(JSON.parse(created!.stdout)).toMatchObject({ id: 1, files: { total: 1 } });
  expect(events!.stdout).toContain('"state":"succeeded"');
  const { kind, total, files } = JSON.parse(result!.stdout) as { kind: string; total: object; files: object[] };
  expect([kind, files.length]).toEqual(['cross_entropy', 1]);
  expect(total).toMatchObject({ rows: { total: 8192, counted: 8113 } });
  expect(files).toMatchObject([{ file: 'char-lm.safetensors', rows: { total: 8192, counted: 8113 } }]);
});

test('shards of a list are combined to its result', async () => {
  const example = join(ROOT, 'examples', 'char-lm.safetensors');
  mkdirSync(join(checkout, 'run-7'), { recursive: true });
  for (const rank of ['0', '1']) copyFileSync(example, join(checkout, 'run-7', `rank-${rank}.safetensors`));
  const [, ...outcomes] = await runBlock(blockOf(...RUN[9]));
  expect(outcomes.map(({ code, stderr }) => [code, stderr])).toEqual(outcomes.map(() => [0, '']));
  const [first, second, third, table, json] = outcomes as [Outcome, Outcome, Outcome, Outcome, Outcome];
  const files = [first, second, third].map(({ stdout }) => stdout.replace('partials/', ''));
  expect(files).toEqual([1, 1, 0].map((count, k) => `${k + 1}.json: shard ${k + 1} of 3, ${count} of 2 files\n`));
  for (const [printed, flag] of [
    [table, ''],
    [json, '--json'],
  ] as const) {
    expect(printed.stdout).toBe((await runCommand(`npx lossmeter evaluate run-7/ ${flag}`, {})).stdout);
  }
});

/** A safetensors file whose tensor has another name. */
function renameTensor(path: string, from: string, to: string): Buffer {
  const file = readFileSync(path);
  const end = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.toString('utf8', 8, end)) as Record<string, unknown>;
  const renamed = Object.fromEntries(
    Object.entries(header).map(([name, tensor]) => [name === from ? to : name, tensor]),
  );
  return withHeader(JSON.stringify(renamed), file.subarray(end));
}
