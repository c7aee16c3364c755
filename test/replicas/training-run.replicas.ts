/** A training over replicas. One replica is killed, one is drained, and their database restarts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { PostgresServer } from '../postgres/server.ts';
import { startProxy } from './proxies.ts';
import { Replica } from './replica.ts';
import { train } from './training.ts';

const RANKS = 8;
const STEPS = 250;
const WATCHERS = 3;

/** Steps of a curve, without times and sequence numbers. */
async function curveOf(url: string, run: string): Promise<unknown[]> {
  const answer = await fetch(`${url}/v1/runs/${run}/export?format=jsonl&of=steps`);
  expect(answer.status).toBe(200);
  const lines = (await answer.text()).trim().split('\n');
  return lines.map((line) => {
    const { recorded_at: _at, sequence: _sequence, ...step } = JSON.parse(line) as Record<string, unknown>;
    return step;
  });
}

test(
  'a training loses and doubles nothing, and its curve has the bits of one process',
  { timeout: 600_000 },
  async () => {
    await using postgres = await PostgresServer.start();
    const environment = { LOSSMETER_STORE: await postgres.database() };
    await using killed = await Replica.start(environment);
    await using drained = await Replica.start(environment);
    await using untouched = await Replica.start(environment);
    await using proxy = await startProxy('haproxy', [killed.port, drained.port, untouched.port]);

    const faults: Promise<void>[] = [];
    const at: Record<number, () => Promise<void>> = {
      50: () => killed.end('SIGKILL'),
      100: async () => {
        await killed.run();
      },
      120: async () => {
        await drained.end('SIGTERM');
        await sleep(500);
        await drained.run();
      },
      190: async () => {
        await postgres.stop();
        await postgres.run();
      },
    };
    const result = await train({
      ...{ url: proxy.url, run: 'training', steps: STEPS, watchers: WATCHERS },
      onStep: (step) => {
        if (at[step] !== undefined) faults.push(at[step]());
      },
    });
    await Promise.all(faults);
    expect(faults).toHaveLength(4);
    expect(result.errors).toEqual([]);
    expect(result.acknowledged).toBe(RANKS * STEPS);
    expect(result.watched).toEqual(Array.from({ length: WATCHERS }, () => STEPS));

    const summary = (await (await fetch(`${untouched.url}/v1/runs/training`)).json()) as Record<string, unknown>;
    expect(summary).toMatchObject({ batches: RANKS * STEPS, steps: STEPS, ranks: RANKS, non_finite_steps: 0 });

    await using single = await Replica.start({ LOSSMETER_STORE: ':memory:' });
    const alone = await train({ url: single.url, run: 'training', steps: STEPS });
    expect(alone).toMatchObject({ errors: [], acknowledged: RANKS * STEPS });
    const curve = await curveOf(proxy.url, 'training');
    expect(curve).toHaveLength(STEPS);
    expect(curve).toEqual(await curveOf(single.url, 'training'));
    console.log(
      `${result.acknowledged} batches of ${RANKS} ranks recorded over three replicas, of which one was killed and one drained, and a database that restarted: ${result.errors.length} errors; ${WATCHERS} watchers saw ${result.watched.join(', ')} complete steps`,
    );
  },
);
