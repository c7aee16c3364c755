import { afterAll, expect, test } from 'vitest';
import { Threads } from '../src/threads.ts';
import type { GreedyTask } from './greedy-worker.ts';

const threads = new Threads<GreedyTask, number>({
  filename: new URL('greedy-worker.ts', import.meta.url),
  maxThreads: 1,
  maxHeapMegabytes: 32,
  what: 'the body',
});
afterAll(() => threads.close());

test('a refusal comes back with its parts', async () => {
  await expect(threads.run('refuse', [])).rejects.toMatchObject({
    code: 'invalid_tensor',
    message: 'no tensor',
    places: [{ pointer: '/logits' }],
  });
});

test.each([
  ['takes all memory', 'take all memory', { code: 'body_too_large', status: 413 }],
  ['ends', 'end the thread', { code: 'worker_lost', status: 503 }],
  ['fails', 'fail', { code: 'internal', status: 500 }],
] as const)('tasks that wait go on when the thread %s', { timeout: 30_000 }, async (_what, task, refusal) => {
  const results = await Promise.allSettled([threads.run(task, []), threads.run(1, []), threads.run(2, [])]);
  expect(results).toMatchObject([{ reason: refusal }, { value: 2 }, { value: 4 }]);
  expect((results[0] as PromiseRejectedResult).reason).not.toMatchObject({
    message: expect.stringContaining('repeat') as string,
  });
});

test('a task that was abandoned while it waited does not begin', async () => {
  let asked = 0;
  const isAbandoned = (): boolean => {
    asked++;
    return true;
  };
  const [first, abandoned, last] = await Promise.allSettled([
    threads.run(1, []),
    threads.run(2, [], isAbandoned),
    threads.run(3, []),
  ]);
  expect(first).toMatchObject({ value: 2 });
  expect(abandoned).toMatchObject({ reason: { code: 'client_closed' } });
  expect(last).toMatchObject({ value: 6 });
  expect(asked).toBe(1);
});
