/** Histories of any length, recorded over HTTP as trainers do. */
import type { Client } from '../../http-client.ts';
import { WRITERS } from '../../request-bodies.ts';
import type { Encoded } from '../../request-bodies.ts';
import { FLOAT16_NAN, float16, int32 } from './batches.ts';
import { httpRequest } from './case.ts';

const RECORD = 'PUT /v1/runs/{run}/steps/{step}/ranks/{rank}';

/** Number of recordings that are sent at the same time. */
const AT_A_TIME = 8;

/** Runs that exist in the service of a client, by name, so that cases share them. */
const recorded = new WeakMap<Client, Map<string, Promise<void>>>();

/** Records a run once for each service. */
export function once(client: Client, run: string, make: () => Promise<void>): Promise<void> {
  const runs = recorded.get(client) ?? new Map<string, Promise<void>>();
  recorded.set(client, runs);
  const made = runs.get(run) ?? make();
  runs.set(run, made);
  return made;
}

/** Records a pair for each step, from step 0 on. */
export function recordSteps(client: Client, run: string, { steps, nan = false }: { steps: number; nan?: boolean }) {
  const pair = (step: number): object => ({ numerator: nan ? 'NaN' : 2 + Math.sin(step), denominator: 1 });
  return recordEach(client, steps, (step) => ({
    params: { run, step, rank: 0 },
    body: WRITERS.json({ ...pair(step) }),
  }));
}

/** Records micro-batches of one step. All their logits are NaN. */
export async function recordNanBatches(client: Client, run: string, batches: number): Promise<void> {
  const nan = WRITERS.msgpack({
    options: { max_locations: 4096 },
    label: int32([64]),
    logits: float16([64, 64], FLOAT16_NAN),
  });
  await recordEach(client, batches, (micro_batch) => ({
    params: { run, step: 0, rank: 0 },
    query: { micro_batch },
    body: nan,
  }));
}

interface Recording {
  params: { run: string; step: number; rank: number };
  query?: { micro_batch: number };
  body: Encoded;
}

async function recordEach(client: Client, count: number, recordingOf: (k: number) => Recording): Promise<void> {
  let next = 0;
  const recordOn = async (): Promise<void> => {
    while (next < count) {
      const { status, body } = await client.send(httpRequest(RECORD, recordingOf(next++)));
      if (status !== 201) throw new Error(`a recording was answered ${status}: ${body.toString('utf8', 0, 300)}`);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, recordOn));
}
