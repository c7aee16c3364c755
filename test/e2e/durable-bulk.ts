/** A training run in bulk requests, in random order and with repetitions, while its service is killed. */
import { expect } from 'vitest';
import { ExactSum } from '../../src/exact-sum.ts';
import { seededRandom } from '../rows.ts';
import { ServiceProcess } from './process.ts';

const [RANKS, MICRO_BATCHES, STEPS] = [4, 2, 300];

/** First step of each attempt. */
const STARTS = [0, 90, 60, 240];

/** Step before which each attempt ended. */
const ENDS = [150, 130, 260, STEPS];

const KILLS = 10;
const CLIENTS = 6;
const NAMES = ['lr', 'grad_norm/layers.3', 'ü β'];

interface Item {
  step: number;
  rank: number;
  micro_batch: number;
  attempt: number;
  numerator: number | string;
  denominator: number;
  scalars?: Record<string, number | string>;
}

/** A number with many digits, or a non-finite number with probability 1%. */
function numberOf(seed: number): number {
  const random = seededRandom(seed);
  random();
  const kind = random();
  if (kind < 0.01) return [Number.NaN, Infinity, -Infinity][Math.floor(300 * kind)]!;
  return (random() - 0.3) * 10 ** Math.floor(20 * random() - 10);
}

const worded = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

function itemOf(attempt: number, step: number, rank: number, microBatch: number): Item {
  const seed = 1 + microBatch + MICRO_BATCHES * (rank + RANKS * (step + STEPS * attempt));
  const scalars = Object.fromEntries(NAMES.map((name, k) => [name, worded(numberOf(10_000_000 + 7 * seed + k))]));
  return {
    ...{
      step,
      rank,
      micro_batch: microBatch,
      attempt,
      numerator: worded(numberOf(seed)),
      denominator: 1 + (seed % 97),
    },
    ...(microBatch === 0 && { scalars }),
  };
}

function* itemsOf(attempt: number): Generator<Item> {
  for (let step = STARTS[attempt]!; step < ENDS[attempt]!; step++) {
    for (let rank = 0; rank < RANKS; rank++) {
      for (let microBatch = 0; microBatch < MICRO_BATCHES; microBatch++) yield itemOf(attempt, step, rank, microBatch);
    }
  }
}

/** The attempt that is live at a step. */
const holding = (step: number): number => STARTS.findLastIndex((first, k) => first <= step && isLive(k, first));

const isLive = (attempt: number, first: number): boolean => STARTS.slice(attempt + 1).every((later) => later > first);

/**
 * Records the run, and compares everything that the service keeps with the items, bit for bit.
 * @param environment of the service; it names the store
 * @returns number of kills of the service
 */
export async function recordInBulk(environment: NodeJS.ProcessEnv): Promise<number> {
  const random = seededRandom(5);
  const start = (): Promise<ServiceProcess> =>
    ServiceProcess.start({ LOSSMETER_LOG_LEVEL: 'info', LOSSMETER_WORKERS: '1', ...environment });
  let service = await start();
  let restart = Promise.withResolvers<void>();
  const counts = new Map<number, number>();

  const send = async (items: readonly Item[]): Promise<void> => {
    for (;;) {
      const { promise: restarted } = restart;
      let response: Response;
      let body: { results: { status: number; detail?: string }[] };
      try {
        response = await fetch(`${service.url}/v1/runs/r/batches`, {
          ...{ method: 'POST', headers: { 'content-type': 'application/x-ndjson' } },
          body: items.map((item) => `${JSON.stringify(item)}\n`).join(''),
        });
        body = (await response.json()) as typeof body;
      } catch {
        await restarted;
        continue;
      }
      if (response.status === 503) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      expect(response.status, JSON.stringify(body)).toBe(200);
      for (const [k, { status, detail }] of body.results.entries()) {
        counts.set(status, (counts.get(status) ?? 0) + 1);
        const { attempt } = items[k]!;
        expect(attempt === STARTS.length - 1 ? [200, 201] : [200, 201, 409], detail).toContain(status);
      }
      return;
    }
  };

  const kill = async (): Promise<void> => {
    await service.end('SIGKILL');
    service = await start();
    restart.resolve();
    restart = Promise.withResolvers<void>();
  };

  let killed = 0;
  for (const attempt of STARTS.keys()) {
    const own = [...itemsOf(attempt)];
    const late = attempt === 0 ? [] : [...itemsOf(attempt - 1)].filter(() => random() < 0.1);
    // The first item of an attempt is sent first, as a trainer does. A tenth of the items is sent twice.
    const [first, others] = [own.slice(0, 1), own.slice(1)];
    await send(first);
    const all = shuffle([...others, ...own.filter(() => random() < 0.1), ...late], random);
    const killAfter = Array.from({ length: KILLS / STARTS.length + 1 }, () => Math.floor(random() * all.length));
    let at = 0;
    let killing = Promise.resolve();
    const client = async (): Promise<void> => {
      while (at < all.length) {
        const from = at;
        at += 1 + Math.floor(random() * 200);
        if (killed < KILLS && killAfter.some((place) => place >= from && place < at)) {
          killed++;
          killing = killing.then(kill);
        }
        await send(all.slice(from, at));
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    await killing;
  }
  for (; killed < KILLS; killed++) await kill();
  expect(counts.get(201)).toBeGreaterThan(0);
  expect(counts.get(200), 'nothing was repeated').toBeGreaterThan(0);
  expect(counts.get(409), 'nothing was superseded').toBeGreaterThan(0);

  const read = async <T>(path: string): Promise<T> => (await (await fetch(service.url + path)).json()) as T;
  const { steps } = await read<{ steps: object[] }>('/v1/runs/r/steps');
  expect(steps).toHaveLength(STEPS);
  for (const [step, point] of steps.entries()) expect(point).toMatchObject(expectedStep(step));
  for (const [k, name] of NAMES.entries()) {
    const curve = await read<{ points: object[] }>(`/v1/runs/r/scalars/${encodeURIComponent(name)}`);
    expect(curve.points).toHaveLength(STEPS);
    for (const [step, point] of curve.points.entries()) expect(point).toMatchObject(expectedScalar(step, k));
  }
  const total = STARTS.reduce((sum, _, attempt) => sum + [...itemsOf(attempt)].length, 0);
  expect(await read('/v1/runs/r')).toMatchObject({ steps: STEPS, batches: total, ranks: RANKS });
  expect(await service.end()).toBe(0);
  return killed;
}

function partsOf(step: number): Item[] {
  const attempt = holding(step);
  return [...itemsOf(attempt)].filter((item) => item.step === step);
}

function expectedStep(step: number): object {
  const items = partsOf(step);
  const numerator = ExactSum.of(items.map((item) => Number(item.numerator))).value;
  const denominator = ExactSum.of(items.map((item) => item.denominator)).value;
  return {
    ...{ step, attempt: holding(step), complete: true, ranks: RANKS },
    ...{ numerator: worded(numerator), denominator, loss: worded(numerator / denominator) },
  };
}

function expectedScalar(step: number, k: number): object {
  const values = partsOf(step).flatMap(({ scalars }) => (scalars === undefined ? [] : [Number(scalars[NAMES[k]!])]));
  return { step, attempt: holding(step), ranks: RANKS, value: worded(ExactSum.of(values).value / values.length) };
}

function shuffle<T>(values: T[], random: () => number): T[] {
  for (let k = values.length - 1; k > 0; k--) {
    const other = Math.floor(random() * (k + 1));
    [values[k], values[other]] = [values[other]!, values[k]!];
  }
  return values;
}
