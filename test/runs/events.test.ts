import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { LossmeterError } from '../../src/errors.ts';
import type { Evaluator } from '../../src/pipeline/evaluator.ts';
import { RunChanges } from '../../src/runs/changes.ts';
import { RunEvents } from '../../src/runs/events.ts';
import { RunPages } from '../../src/runs/pages.ts';
import type { BatchKey } from '../../src/runs/record.ts';
import { Recorder } from '../../src/runs/recorder.ts';
import { SqliteStore } from '../../src/runs/sqlite/store.ts';
import { recording } from './recordings.ts';

const key = (step: number): BatchKey => ({ run: 'r', step, attempt: 0, rank: 0, microBatch: 0 });

/** A store with a step of a run `r`, and a stream of its events from the beginning. */
async function follow(heartbeatMs?: number) {
  const store = new SqliteStore(':memory:');
  await store.record(key(1), recording(1));
  const changes = new RunChanges();
  const sources = { store, pages: new RunPages(store) };
  const events = new RunEvents(sources, changes, heartbeatMs === undefined ? {} : { heartbeatMs });
  const left = new AbortController();
  const seen: string[] = [];
  const read = async (): Promise<void> => {
    for await (const piece of events.follow('r', 0, left.signal)) {
      const text = typeof piece === 'string' ? piece : new TextDecoder().decode(piece);
      seen.push(...[...text.matchAll(/"step":\d+|"loss":[\d.]+|deleted/g)].map(([found]) => found));
    }
    seen.push('end');
  };
  const reading = read();
  await expect.poll(() => seen).toContain('"step":1');
  onTestFinished(async () => {
    left.abort();
    await reading;
    await store.close();
  });
  return { store, changes, seen };
}

test('a heartbeat tells of a change that is durable and was not announced', async () => {
  const { store, seen } = await follow(50);
  await sleep(120);
  await store.record(key(2), recording(2));
  await expect.poll(() => seen).toContain('"step":2');
});

test('a recording without an answer is told of, and so is its repetition', async () => {
  for (const failures of [1, 0]) {
    const { store, changes, seen } = await follow();
    const evaluation = { ...recording(2) };
    const evaluator = {
      evaluate: async () => ({ answer: { evaluation, digest: evaluation.digest }, release: () => undefined }),
    } as unknown as Evaluator;
    const record = store.recordMany.bind(store);
    if (failures === 0) await store.record(key(2), recording(2));
    store.recordMany = async (...given) => {
      const outcomes = await record(...given);
      if (failures > 0) throw new LossmeterError('store_unavailable', 'the thread ended after its commit');
      return outcomes;
    };
    const recorder = new Recorder(evaluator, store, changes);
    const body = { contentLength: 1 } as Parameters<Recorder['record']>[1];
    if (failures > 0) await expect(recorder.record(key(2), body)).rejects.toThrow('after its commit');
    else expect((await recorder.record(key(2), body)).answer.outcome).toBe('repeated');
    await expect.poll(() => seen).toContain('"step":2');
  }
});

test('a change of a run that fails is announced', async () => {
  const changes = new RunChanges();
  const announced: string[] = [];
  changes.subscribeAll((run) => announced.push(run));
  expect(await changes.about('r', async () => 1)).toBe(1);
  expect(announced).toEqual([]);
  await expect(changes.about('r', () => Promise.reject(new Error('no answer')))).rejects.toThrow('no answer');
  expect(announced).toEqual(['r']);
});

test('a run that is removed and recorded again at once ends the events of the former one', async () => {
  const { store, changes, seen } = await follow();
  await store.remove('r');
  changes.notify('r');
  await store.record(key(1), recording(9));
  changes.notify('r');
  await expect.poll(() => seen).toContain('end');
  expect(seen.slice(-2)).toEqual(['deleted', 'end']);
  expect(seen).not.toContain('"loss":9');
});
