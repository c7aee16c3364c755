import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ExactSum } from '../../src/exact-sum.ts';
import { encode, seededRandom } from '../rows.ts';
import { MSGPACK, Service, encodeRequest } from '../service.ts';
import { ServiceProcess } from './process.ts';

const [RANKS, MICRO_BATCHES, STEPS] = [8, 4, 200];
/** Step at which the trainer was lost, and the step of the checkpoint from which it resumed. */
const [LOST_AT, RESUMED_AT] = [150, 120];
const KILLS = 10;
const CLIENTS = 8;

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-recording-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Separate service that evaluates the recorded batches. */
const oracle = Service.start();

interface Batch {
  step: number;
  rank: number;
  microBatch: number;
  attempt: number;
}

const random = seededRandom(11);

function bodyOf({ step, rank, microBatch, attempt }: Batch): Uint8Array {
  const logits = seededRandom(1 + microBatch + 4 * (rank + 8 * (attempt + 2 * step)));
  const values = Array.from({ length: 3 * 5 }, () => 4 * logits() - 2);
  return encodeRequest(
    { label: [0, 1, 2], logits: { dtype: 'float32', shape: [3, 5], data: encode('float32', values) } },
    MSGPACK,
  ) as Uint8Array;
}

/** Batches of some steps in random order, a tenth of them twice. */
function batchesOf(from: number, to: number, attempt: number): Batch[] {
  const batches: Batch[] = [];
  for (let step = from; step < to; step++) {
    for (let rank = 0; rank < RANKS; rank++) {
      for (let microBatch = 0; microBatch < MICRO_BATCHES; microBatch++)
        batches.push({ step, rank, microBatch, attempt });
    }
  }
  const repeated = batches.filter(() => random() < 0.1);
  return shuffle([...batches, ...repeated]);
}

function shuffle<T>(values: T[]): T[] {
  for (let k = values.length - 1; k > 0; k--) {
    const other = Math.floor(random() * (k + 1));
    [values[k], values[other]] = [values[other]!, values[k]!];
  }
  return values;
}

test(
  'what was acknowledged is there, once, whatever order it came in and however often the service was killed',
  {
    timeout: 180_000,
  },
  async () => {
    const store = join(folder, 'runs.db');
    const start = (): Promise<ServiceProcess> =>
      ServiceProcess.start({ LOSSMETER_STORE: store, LOSSMETER_LOG_LEVEL: 'info', LOSSMETER_WORKERS: '1' });
    let service = await start();
    let restart = Promise.withResolvers<void>();
    const statuses = new Map<number, number>();

    /** Sends a batch until the service acknowledges it, as a trainer does. */
    const record = async ({ step, rank, microBatch, attempt }: Batch): Promise<number> => {
      const body = bodyOf({ step, rank, microBatch, attempt });
      for (;;) {
        const { promise: restarted } = restart;
        const path = `/v1/runs/r/steps/${step}/ranks/${rank}?micro_batch=${microBatch}&attempt=${attempt}`;
        try {
          const headers = { 'content-type': MSGPACK };
          const response = await fetch(service.url + path, { method: 'PUT', headers, body: Buffer.from(body) });
          await response.arrayBuffer();
          statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
          return response.status;
        } catch {
          // The service was killed: wait for the next one.
          await restarted;
        }
      }
    };

    const killed = async (): Promise<void> => {
      await service.end('SIGKILL');
      service = await start();
      restart.resolve();
      restart = Promise.withResolvers<void>();
    };

    const recordAll = async (batches: readonly Batch[], kills: number, allowed: readonly number[]): Promise<void> => {
      let next = 0;
      let killing: Promise<void> | undefined;
      const killAt = Array.from({ length: kills }, (_, k) => Math.floor(((k + 0.5) * batches.length) / kills));
      const client = async (): Promise<void> => {
        while (next < batches.length) {
          const batch = batches[next++]!;
          if (next === killAt[0]) {
            killAt.shift();
            killing = (killing ?? Promise.resolve()).then(killed);
          }
          expect(allowed, JSON.stringify(batch)).toContain(await record(batch));
        }
      };
      await Promise.all(Array.from({ length: CLIENTS }, client));
      await killing;
    };

    await recordAll(batchesOf(0, LOST_AT, 0), KILLS / 2, [200, 201]);
    // Some batches of the lost attempt arrive late. They are superseded (409) where the new attempt has recorded, and
    // otherwise repetitions (200).
    const late = batchesOf(RESUMED_AT, LOST_AT, 0).slice(0, 300);
    await recordAll(shuffle([...batchesOf(RESUMED_AT, STEPS, 1), ...late]), KILLS / 2, [200, 201, 409]);
    expect(statuses.get(201)).toBeGreaterThan(0);
    expect(statuses.get(200), 'nothing was repeated').toBeGreaterThan(0);
    expect(statuses.get(409), 'nothing was superseded').toBeGreaterThan(0);

    const { steps } = (await (await fetch(`${service.url}/v1/runs/r/steps`)).json()) as {
      steps: {
        step: number;
        loss: number;
        numerator: number;
        denominator: number;
        complete: boolean;
        attempt: number;
      }[];
    };
    const expected = [];
    for (let step = 0; step < STEPS; step++) {
      const attempt = step < RESUMED_AT ? 0 : 1;
      const pairs = [];
      for (let rank = 0; rank < RANKS; rank++) {
        for (let microBatch = 0; microBatch < MICRO_BATCHES; microBatch++) {
          pairs.push((await oracle.post(bodyOf({ step, rank, microBatch, attempt }), { type: MSGPACK })).body);
        }
      }
      const numerator = ExactSum.of(pairs.map((pair) => pair.numerator)).value;
      const denominator = ExactSum.of(pairs.map((pair) => pair.denominator)).value;
      expected.push({ step, attempt, numerator, denominator, loss: numerator / denominator, complete: true });
    }
    expect(
      steps.map(({ step, attempt, numerator, denominator, loss, complete }) => ({
        step,
        attempt,
        numerator,
        denominator,
        loss,
        complete,
      })),
    ).toEqual(expected);
    const summary = (await (await fetch(`${service.url}/v1/runs/r`)).json()) as object;
    const batches = RANKS * MICRO_BATCHES * (LOST_AT + STEPS - RESUMED_AT);
    expect(summary).toMatchObject({ steps: STEPS, batches, ranks: RANKS });
    expect(await service.end()).toBe(0);
  },
);
