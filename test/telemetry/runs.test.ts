import { Registry } from '@prometheus-io/client';
import { expect, test } from 'vitest';
import { LossmeterError } from '../../src/errors.ts';
import { StoreWatch } from '../../src/runs/store-watch.ts';
import { SqliteStore } from '../../src/runs/sqlite/store.ts';
import { RunMetrics } from '../../src/telemetry/runs.ts';
import type { MetricRegistry } from '../../src/telemetry/series.ts';

test('series of runs keep their last values while the store cannot be read', async () => {
  const store = new SqliteStore(':memory:');
  await store.record(
    { run: 'r', step: 3, attempt: 0, rank: 0, microBatch: 0 },
    {
      ...{ numerator: 2, denominator: 1, digest: new Uint8Array(1) },
      diagnostics: { verdict: 'finite', summary: 'finite', causes: [] },
    },
  );
  const registry = new Registry() as MetricRegistry;
  const watch = new StoreWatch(
    () => store.check(),
    () => undefined,
  );
  const metrics = new RunMetrics(registry, store, watch);
  metrics.recorded('created');
  const told = async (): Promise<string[]> =>
    (await registry.metrics()).split('\n').filter((line) => line.startsWith('lossmeter_run_last'));
  const before = await told();
  expect(before).toEqual(['lossmeter_run_last_step{run="r"} 3', 'lossmeter_run_last_loss{run="r"} 2']);
  store.newest = () => Promise.reject(new LossmeterError('store_unavailable', 'the thread ended'));
  expect(await told()).toEqual(before);
  await store.close();
});

test('the name of a run is one label, whatever its characters', async () => {
  const store = new SqliteStore(':memory:');
  const run = `a/b "quoted" \\n,x="1"} 5 é😀`;
  await store.record(
    { run, step: 3, attempt: 0, rank: 0, microBatch: 0 },
    {
      ...{ numerator: 2, denominator: 1, digest: new Uint8Array(1) },
      diagnostics: { verdict: 'finite', summary: 'finite', causes: [] },
    },
  );
  const registry = new Registry() as MetricRegistry;
  const metrics = new RunMetrics(
    registry,
    store,
    new StoreWatch(
      () => store.check(),
      () => undefined,
    ),
  );
  metrics.recorded('created');
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('lossmeter_run_last_step'));
  expect(lines).toEqual([`lossmeter_run_last_step{run="${run.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"} 3`]);
  await store.close();
});
