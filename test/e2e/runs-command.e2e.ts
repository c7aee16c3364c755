/** `lossmeter runs` as a process, against the service in another process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ROOT, ServiceProcess } from './process.ts';

const FIXTURES = path.join(ROOT, 'test/fixtures/import');

let service: ServiceProcess;
let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-runs-'));
  service = await ServiceProcess.start();
});

afterAll(async () => {
  await service.end();
  rmSync(folder, { recursive: true });
});

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start(args: readonly string[], url = service.url) {
  const env = { ...process.env, LOSSMETER_URL: url };
  const child = spawn(process.execPath, ['src/cli/bin.js', 'runs', ...args], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const outcome = Promise.all([once(child, 'close'), textOf(child.stdout), textOf(child.stderr)]).then(
    ([[code], stdout, stderr]): Outcome => ({ code: code as number | null, stdout, stderr }),
  );
  return { child, outcome };
}

const run = (args: readonly string[], url?: string): Promise<Outcome> => start(args, url).outcome;

/** Counts of an import, by run. */
async function importJson(args: readonly string[]) {
  const { code, stdout, stderr } = await run(['import', '--json', ...args]);
  const { runs, refusals } = JSON.parse(stdout || '{"runs":[],"refusals":[]}') as {
    runs: { run: string; recorded: number; repeated: number; superseded: number; refused: number }[];
    refusals: { place: string; code: string; detail: string }[];
  };
  return {
    code,
    stderr,
    refusals,
    runs: runs.map((one) => [one.run, one.recorded, one.repeated, one.superseded, one.refused]),
  };
}

async function get<T>(url: string): Promise<T> {
  const response = await fetch(`${service.url}/v1/runs/${url}`);
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as T;
}

/** Steps of a run with their losses. */
async function curve(name: string): Promise<unknown[][]> {
  const { steps } = await get<{ steps: { step: number; loss: unknown }[] }>(`${encodeURIComponent(name)}/steps`);
  return steps.map(({ step, loss }) => [step, loss]);
}

describe('import', () => {
  test('event files of several runs are recorded once, however often they are imported', async () => {
    const first = [
      ['purged', 7, 0, 0, 0],
      ['resumed', 9, 0, 0, 0],
      ['simple', 5, 0, 0, 0],
      ['tensors', 5, 0, 0, 0],
    ];
    const again = [
      ['purged', 0, 5, 2, 0],
      ['resumed', 0, 7, 2, 0],
      ['simple', 0, 5, 0, 0],
      ['tensors', 0, 5, 0, 0],
    ];
    const args = [path.join(FIXTURES, 'event-files')];
    expect(await importJson(args)).toEqual({ code: 0, stderr: '', refusals: [], runs: first });
    const simple = [
      [1, 4.5],
      [2, 'NaN'],
      [3, 'Infinity'],
      [4, '-Infinity'],
      [5, Math.fround(0.1)],
    ];
    const resumedCurve = [1, 2, 3, 4, 5, 6, 7].map((step) => [step, step < 4 ? 5 - step : 3 - step / 8]);
    expect([await curve('simple'), await curve('resumed')]).toEqual([simple, resumedCurve]);
    expect(await importJson(args)).toEqual({ code: 0, stderr: '', refusals: [], runs: again });
    expect([await curve('simple'), await curve('resumed')]).toEqual([simple, resumedCurve]);
    const { points } = await get<{ points: { step: number; value: number }[] }>('tensors/scalars/grad_norm%2Flayers.3');
    expect(points.map(({ step, value }) => [step, value])).toEqual([1, 2, 3, 4, 5].map((step) => [step, step / 2]));
  });

  test('names of runs with slashes, spaces and other letters are kept', async () => {
    const args = [path.join(FIXTURES, 'event-files'), '--run', 'meta-llama/Läufe 7'];
    const { code, runs } = await importJson(args);
    expect([code, runs.map(([name]) => name)]).toEqual([
      0,
      ['purged', 'resumed', 'simple', 'tensors'].map((name) => `meta-llama/Läufe 7/${name}`),
    ]);
    expect(await curve('meta-llama/Läufe 7/resumed')).toHaveLength(7);
    expect((await run(['list', '--search', 'läufe simple'])).stdout).toMatch(/\nmeta-llama\/Läufe 7\/simple +\w+ +5 /);
    expect((await run(['show', 'meta-llama/Läufe 7/simple'])).stdout).toMatch(/^run +meta-llama\/Läufe 7\/simple\n/);
    expect(await run(['delete', '--yes', 'meta-llama/Läufe 7/simple'])).toMatchObject({ code: 0 });
    expect((await run(['list', '--search', 'läufe'])).stdout).not.toContain('simple');
  });

  test('a log of Megatron-LM is a run with its NaN and its validation', async () => {
    expect(await importJson([path.join(FIXTURES, 'megatron.log')])).toMatchObject({
      code: 0,
      runs: [['megatron', 7, 0, 0, 0]],
    });
    expect(await importJson([path.join(FIXTURES, 'megatron.log')])).toMatchObject({
      code: 0,
      runs: [['megatron', 0, 4, 3, 0]],
    });
    expect(await curve('megatron')).toEqual([
      [2, 10.83491],
      [3, 9.1],
    ]);
    const { scalars } = await get<{ scalars: { name: string }[] }>('megatron/scalars');
    expect(scalars.map(({ name }) => name)).toContain('lm loss validation');
  });

  test('logs of MindFormers are the ranks of a run', async () => {
    expect(await importJson([path.join(FIXTURES, 'mindformers'), '--run', 'mf'])).toMatchObject({
      code: 0,
      runs: [['mf', 12, 0, 0, 0]],
    });
    expect(await curve('mf')).toEqual([
      [1, expect.closeTo(10.6405)],
      [2, 'NaN'],
      [4, expect.closeTo(2.2205)],
    ]);
  });

  test('refused items have their places, the others are recorded, and the exit code is 1', async () => {
    const file = path.join(folder, 'metrics.csv');
    writeFileSync(file, 'step,loss,lr\n1,3,0.1\nx,2,0.1\n2,2.5,nan\n');
    expect(await importJson([file])).toMatchObject({
      code: 1,
      runs: [['metrics', 2, 0, 0, 1]],
      refusals: [{ place: `${file}:3`, code: 'unreadable' }],
    });
    writeFileSync(file, 'step,loss,lr\n1,3,0.1\n2,2.75,nan\n');
    expect(await importJson([file])).toMatchObject({
      code: 1,
      runs: [['metrics', 0, 1, 0, 1]],
      refusals: [{ place: `${file}:3`, code: 'conflict' }],
    });
    const { code, stdout, stderr } = await run(['import', file]);
    expect(code).toBe(1);
    expect(stdout).toBe(
      'run      recorded  repeated  superseded  refused\nmetrics         0         1           0        1\n',
    );
    expect(stderr).toContain(`${file}:3: conflict: `);
  });

  test('items of NDJSON are judged by the service', async () => {
    const file = path.join(folder, 'monitor.jsonl');
    const lines = [
      { step: 1, numerator: 'NaN', denominator: 2 },
      { step: 2, numerator: 1 },
      { step: 3, scalars: { lr: 1 } },
    ];
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    expect(await importJson([file])).toMatchObject({
      code: 1,
      runs: [['monitor', 2, 0, 0, 1]],
      refusals: [{ place: `${file}:2` }],
    });
    expect(await curve('monitor')).toEqual([[1, 'NaN']]);
  });

  test('more items than a request may have are recorded', async () => {
    const file = path.join(folder, 'long.csv');
    writeFileSync(file, `step,loss,lr\n${Array.from({ length: 3500 }, (_, k) => `${k},${1 + k},0.5\n`).join('')}`);
    expect(await importJson([file])).toMatchObject({ code: 0, runs: [['long', 3500, 0, 0, 0]] });
    expect(await get('long')).toMatchObject({ steps: 3500, last_loss: 3500 });
  });

  test('--follow records what is appended, until it is ended', async () => {
    const name = 'events.out.tfevents.1700000001.host.1.0';
    const whole = readFileSync(path.join(FIXTURES, 'event-files/resumed', name));
    const followed = path.join(folder, 'followed');
    mkdirSync(followed);
    const { child, outcome } = start(['import', '--follow', '--json', followed]);
    writeFileSync(path.join(followed, name), whole.subarray(0, 130));
    await vi.waitFor(async () => expect(await curve('followed')).toHaveLength(2), { timeout: 20_000 });
    appendFileSync(path.join(followed, name), whole.subarray(130));
    await vi.waitFor(async () => expect(await curve('followed')).toHaveLength(5), { timeout: 20_000 });
    child.kill('SIGTERM');
    const { code, stdout } = await outcome;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      runs: [{ run: 'followed', recorded: 5, repeated: 0, superseded: 0, refused: 0 }],
    });
  });

  test('a service that is killed and started again has everything', async () => {
    const file = path.join(folder, 'killed.csv');
    const rows = 20_000;
    writeFileSync(file, `step,loss\n${Array.from({ length: rows }, (_, k) => `${k},${k / 7}\n`).join('')}`);
    const environment = { LOSSMETER_STORE: path.join(folder, 'killed.db') };
    const first = await ServiceProcess.start(environment);
    const { outcome } = start(['import', '--json', file], first.url);
    const summaryOf = async (url: string) =>
      (await (await fetch(`${url}/v1/runs/killed`)).json()) as { steps: number; last_loss: number };
    await vi.waitFor(async () => expect((await summaryOf(first.url)).steps).toBeGreaterThan(2000), { timeout: 30_000 });
    await first.end('SIGKILL');
    const second = await ServiceProcess.start({ ...environment, LOSSMETER_PORT: new URL(first.url).port });
    const { code, stdout } = await outcome;
    const summary = await summaryOf(second.url);
    await second.end();
    expect(code).toBe(0);
    const { runs } = JSON.parse(stdout) as { runs: { recorded: number; repeated: number; refused: number }[] };
    expect(runs[0]!.recorded + runs[0]!.repeated).toBe(rows);
    expect(summary).toMatchObject({ steps: rows, last_loss: (rows - 1) / 7 });
  });

  test('a service that starts later is waited for', async () => {
    const first = await ServiceProcess.start();
    const { port } = new URL(first.url);
    await first.end();
    const { outcome } = start(['import', '--json', path.join(FIXTURES, 'megatron.log')], first.url);
    const second = await ServiceProcess.start({ LOSSMETER_PORT: port });
    const { code, stdout } = await outcome;
    await second.end();
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ runs: [{ recorded: 7 }] });
  });

  test('several losses in the event files of a run are refused before anything is recorded', async () => {
    const both = path.join(folder, 'both');
    cpSync(path.join(FIXTURES, 'event-files/simple'), both, { recursive: true });
    cpSync(path.join(FIXTURES, 'event-files/tensors'), both, { recursive: true });
    const { code, stderr } = await run(['import', both]);
    expect(code).toBe(2);
    expect(stderr).toBe('both has several losses, loss, train/loss: --loss NAME chooses one\n');
    expect((await fetch(`${service.url}/v1/runs/both`)).status).toBe(404);
  });
});

describe('other commands', () => {
  test('list, show and export print what is recorded', async () => {
    const file = path.join(folder, 'shown.csv');
    writeFileSync(file, 'step,loss,lr\n1,2.5,0.1\n2,nan,0.05\n');
    await run(['import', file, '--run', 'shown']);
    const list = await run(['list', '--search', 'shown']);
    expect(list.code).toBe(0);
    expect(list.stdout).toMatch(/^run +state +steps +last step +last loss .*\nshown +\w+ +2 +2 +NaN +2\.5 +1 /);
    expect(JSON.parse((await run(['list', '--search', 'shown', '--json'])).stdout)).toMatchObject([
      { run: 'shown', steps: 2 },
    ]);
    const show = await run(['show', 'shown']);
    expect(show.stdout).toMatch(/^run +shown\n/);
    expect(show.stdout).toMatch(/\nlr +2 +2 +0\.05\n$/);
    const exported = await run(['export', 'shown', '--of', 'scalars']);
    const [head, ...rows] = exported.stdout
      .trimEnd()
      .split(/\r?\n/)
      .map((line) => line.split(','));
    expect(rows.map((row) => Object.fromEntries(head!.map((name, k) => [name, row[k]])))).toEqual([
      { step: '1', attempt: '0', rank: '0', name: 'lr', value: '0.1' },
      { step: '2', attempt: '0', rank: '0', name: 'lr', value: '0.05' },
    ]);
    const output = path.join(folder, 'steps.jsonl');
    expect((await run(['export', 'shown', '--format', 'jsonl', '--output', output])).code).toBe(0);
    expect(
      readFileSync(output, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { loss: unknown }).loss),
    ).toEqual([2.5, 'NaN']);
  });

  test('rename, finish, tag, note and archive change a run, and create none', async () => {
    const file = path.join(folder, 'lived.csv');
    writeFileSync(file, 'step,loss\n1,2\n');
    await run(['import', file]);
    for (const [args, stdout] of [
      [['rename', 'lived', 'org/lived'], 'renamed lived to org/lived\n'],
      [['finish', '--failed', 'org/lived'], 'changed org/lived\n'],
      [['tag', 'org/lived', 'a', 'b', 'c'], 'changed org/lived\n'],
      [['tag', '--remove', 'org/lived', 'b'], 'changed org/lived\n'],
      [['note', 'org/lived', 'a note'], 'changed org/lived\n'],
      [['archive', 'org/lived'], 'changed org/lived\n'],
    ] as const) {
      expect(await run(args), args.join(' ')).toMatchObject({ code: 0, stdout, stderr: '' });
    }
    expect(await get('org%2Flived')).toMatchObject({
      ...{ state: 'failed', tags: ['a', 'c'], notes: 'a note', archived: true, steps: 1 },
    });
    const listed = async (...filters: string[]): Promise<string[]> => {
      const { stdout } = await run(['list', '--json', '--search', 'lived', ...filters]);
      return (JSON.parse(stdout) as { run: string }[]).map((one) => one.run);
    };
    expect(await listed()).toEqual([]);
    expect(await listed('--archived', 'any', '--tag', 'a', '--tag', 'c', '--state', 'failed')).toEqual(['org/lived']);
    await run(['archive', '--undo', 'org/lived']);
    expect(await listed('--tag', 'b')).toEqual([]);
    expect(await listed('--tag', 'c')).toEqual(['org/lived']);
    expect(await run(['finish', 'lived'])).toMatchObject({ code: 2 });
    expect((await fetch(`${service.url}/v1/runs/lived`)).status).toBe(404);
  });

  test('delete needs --yes', async () => {
    const file = path.join(folder, 'deleted.csv');
    writeFileSync(file, 'step,loss\n1,2\n');
    await run(['import', file]);
    expect(await run(['delete', 'deleted'])).toMatchObject({ code: 2 });
    expect((await fetch(`${service.url}/v1/runs/deleted`)).status).toBe(200);
    expect(await run(['delete', '--yes', 'deleted'])).toMatchObject({ code: 0, stdout: 'deleted deleted\n' });
    expect((await fetch(`${service.url}/v1/runs/deleted`)).status).toBe(404);
  });

  test('prune keeps active runs, and needs a rule and --yes or --dry-run', async () => {
    expect((await run(['prune', '--yes'])).stderr).toContain('no rule is given');
    expect((await run(['prune', '--keep', '1'])).stderr).toContain('either --dry-run or --yes is needed');
    expect((await run(['prune', '--older-than', '5'])).stderr).toContain('expected a time such as 12h');
    const { code, stdout, stderr } = await run(['prune', '--keep', '1', '--yes', '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([0, { deleted: [] }]);
    expect(stderr).toMatch(/^0 of \d+ runs deleted\n$/);
  });

  test.each([
    [['show', 'nothing'], 2, 'the service answered 404'],
    [['show'], 2, 'runs show takes the name of one run'],
    [['list', '--limit', '0'], 2, '--limit is 0'],
    [['export', 'a', '--of', 'all'], 2, '--of is all, expected one of steps, batches, scalars'],
    [['import'], 2, 'no file or folder is named'],
    [['import', 'x', '--format', 'tensorbord'], 2, 'did you mean tensorboard?'],
    [['import', 'x', '--map', 'lost=a'], 2, '--map is lost=a'],
    [['import', 'x', '--rank', '-1'], 2, ''],
    [['rename', 'a'], 2, 'runs rename takes a run and its new name'],
    [['tag', 'a'], 2, 'runs tag takes a run and tags'],
    [['finish'], 2, 'no run is named'],
    [['imprt'], 2, 'unknown command runs imprt, did you mean import?'],
  ])('%j ends with %d', async (args, code, message) => {
    const outcome = await run(args);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toContain(message);
  });
});
