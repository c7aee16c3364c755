/** Runs to look at, recorded through the API. */
import type { Service } from '../service.ts';

export interface Recording {
  service: Service;
  run: string;
  key?: string;
}

/** Sends a PUT request, which the service must accept. */
async function put({ service, key }: Recording, path: string, body: object): Promise<void> {
  const response = await fetch(service.url + path, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}

/** Sets the metadata of a run. */
export const describeRun = (recording: Recording, metadata: object): Promise<void> =>
  put(recording, `/v1/runs/${recording.run}`, metadata);

/** A batch whose loss is NaN for a reason that the service finds. */
export const BROKEN = {
  logits: [
    [1, 0.5, 0],
    [0, 'NaN', 2],
  ],
  label: [0, 2],
};

/** Summary of the broken step. */
export const BROKEN_CAUSE = 'NaN among the logits';

/** A batch whose loss is infinite. */
export const INFINITE = { logits: [['-Infinity', 1, 2]], label: [0] };

export const pairOf = (loss: number): object => ({ numerator: loss * 100, denominator: 100 });

export async function recordStep(recording: Recording, step: number, ranks: readonly object[]): Promise<void> {
  for (const [rank, body] of ranks.entries()) {
    await put(recording, `/v1/runs/${recording.run}/steps/${step}/ranks/${rank}`, body);
  }
}

/** Records many items at once. */
export async function recordItems({ service, run }: Recording, items: readonly object[]): Promise<void> {
  const response = await fetch(`${service.url}/v1/runs/${run}/batches`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(items),
  });
  const text = await response.text();
  const { results = [] } = JSON.parse(text) as { results?: { status: number }[] };
  if (results.length === 0 || results.some(({ status }) => status !== 201)) throw new Error(text);
}

/** Sixty steps of two ranks that go down, with a spike at step 40 and a NaN of rank 1 at step 50. */
export async function recordRun(recording: Recording, floor = 2): Promise<void> {
  const labels = { model: 'small', floor };
  await describeRun(recording, { labels, expected_ranks: 2 });
  for (let step = 1; step <= 60; step++) {
    const loss = floor + 4 * Math.exp(-step / 4) + (step % 3) * 0.02 + (step === 40 ? 3 : 0);
    await recordStep(recording, step, [pairOf(loss - 0.05), step === 50 ? BROKEN : pairOf(loss + 0.05)]);
  }
}
