import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { MSGPACK, requestHead } from './request.ts';
import { fillRun, fillRuns, fillScalars } from './run-history.ts';
import { startService } from './service.ts';
import type { ChildServer } from './service.ts';
import { interleave, median } from './statistics.ts';

const RUN = 'bench';
const BATCHES = 1_000_000;
const [RANKS, MICRO_BATCHES] = [8, 4];

/** Shape of an evaluation of 32 KB. */
const [ROWS, CLASSES] = [8, 1000];
const EVALUATIONS = 400;

/** Warm-up pairs of an evaluation and a recording, until V8 has compiled the code of both. */
const WARM_UP = 1500;
const READS = 15;

/** Number of runs in a list, and of steps in each. */
const [RUNS, STEPS] = [10_000, 20];

/** Number of scalar series in a run, and of points in all of them. */
const [SERIES, POINTS] = [200, 100_000];

const RECORD_GOAL = { atMost: 1 } as const;
const READ_GOAL = { atMost: 100 } as const;

/** Measures the cost of recording an evaluation, and the time to read a history of a million batches. */
export async function benchRuns(): Promise<Comparison[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    const store = path.join(folder, 'runs.db');
    fillRun(store, { run: RUN, batches: BATCHES, ranks: RANKS, microBatches: MICRO_BATCHES });
    const single = path.join(folder, 'single.db');
    fillRun(single, { run: RUN, batches: BATCHES, ranks: 1, microBatches: 1 });
    fillScalars(single, { run: 1, series: SERIES, points: POINTS });
    const many = path.join(folder, 'many.db');
    fillRuns(many, { runs: RUNS, steps: STEPS });
    await using service = await startService({ environment: { LOSSMETER_STORE: store } });
    await using ofMany = await startService({ environment: { LOSSMETER_STORE: many } });
    await using ofSingle = await startService({ environment: { LOSSMETER_STORE: single } });
    return [
      await benchRecording(service),
      ...(await benchReading(service, READS_OF_RUN, `of ${BATCHES} batches, ${RANKS} ranks × ${MICRO_BATCHES}`)),
      ...(await benchReading(ofSingle, READS_OF_RUN, `of ${BATCHES} batches, 1 rank`)),
      ...(await benchReading(ofSingle, READS_OF_SCALARS, `of ${SERIES} with ${POINTS} points each`)),
      ...(await benchReading(ofMany, LISTS, `of ${RUNS} runs`)),
    ];
  } finally {
    remove();
    process.off('exit', remove);
  }
}

/** Measures recordings into a file with a million batches. Each recording waits for the disk. */
async function benchRecording({ port }: ChildServer): Promise<Comparison> {
  const labels = makeLabels(ROWS, CLASSES);
  const body = Buffer.concat([requestHead([ROWS, CLASSES], labels), makeLogits('float32', ROWS, CLASSES)]);
  const url = `http://127.0.0.1:${port}/v1`;
  const send = async (method: string, target: string, status: number): Promise<number> => {
    const started = performance.now();
    const response = await fetch(target, { method, headers: { 'content-type': MSGPACK }, body });
    await response.arrayBuffer();
    if (response.status !== status) throw new Error(`${method} ${target} answered ${response.status}`);
    return performance.now() - started;
  };
  const [evaluations, recordings]: [number[], number[]] = [[], []];
  let step = 0;
  await interleave(WARM_UP + EVALUATIONS, [
    async () => void evaluations.push(await send('POST', `${url}/cross-entropy`, 200)),
    async () => void recordings.push(await send('PUT', `${url}/runs/recorded/steps/${step++}/ranks/0`, 201)),
  ]);
  const [plain, recorded] = [median(evaluations.slice(WARM_UP)), median(recordings.slice(WARM_UP))];
  return {
    what: `recording an evaluation of ${ROWS} × ${CLASSES}, beside ${BATCHES} batches`,
    unit: 'ms',
    figure: `${recorded.toFixed(2)} ms`,
    against: `without ${plain.toFixed(2)} ms`,
    value: recorded - plain,
    goal: RECORD_GOAL,
  };
}

type Reads = readonly (readonly [what: string, target: string])[];

const READS_OF_RUN: Reads = [
  ['list of runs', '/v1/runs'],
  ['summary', `/v1/runs/${RUN}`],
  ['curve, 1000 points', `/v1/runs/${RUN}/steps?max_points=1000`],
  ['curve, a page of 5000 steps', `/v1/runs/${RUN}/steps`],
];

const READS_OF_SCALARS: Reads = [
  ['list of scalars', `/v1/runs/${RUN}/scalars`],
  ['scalar, 500 points', `/v1/runs/${RUN}/scalars/grad_norm%2Flayers.100?max_points=500`],
];

const LISTS: Reads = [
  ['list, the newest', '/v1/runs'],
  ['list, by name', '/v1/runs?sort=name'],
  ['list, by change', '/v1/runs?sort=updated'],
  ['list, a search for a label', '/v1/runs?search=model%3Dgpt-3'],
  ['list, a search for a name', '/v1/runs?search=run-9999'],
  ['list, a label', '/v1/runs?label=model%3Dgpt-3'],
  ['list, a tag', '/v1/runs?tag=sweep-7'],
  ['list, a state', '/v1/runs?state=finished&sort=updated'],
];

async function benchReading({ port }: ChildServer, reads: Reads, shape: string): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const [what, target] of reads) {
    const times: number[] = [];
    let bytes = 0;
    for (let k = 0; k < READS; k++) {
      const started = performance.now();
      bytes = (await (await fetch(`http://127.0.0.1:${port}${target}`)).arrayBuffer()).byteLength;
      times.push(performance.now() - started);
    }
    comparisons.push({
      what: `${what}, ${shape}`,
      unit: 'ms',
      figure: `${(bytes / 1000).toFixed(0)} kB`,
      against: '',
      value: median(times),
      goal: READ_GOAL,
    });
  }
  return comparisons;
}
