import { expect, test } from 'vitest';
import { TaskQueue } from '../src/task-queue.ts';

/** A task that ends when the test says so. */
function openTask(name: string, begun: string[]) {
  const { promise, resolve } = Promise.withResolvers<string>();
  const run = (): Promise<string> => {
    begun.push(name);
    return promise;
  };
  return { run, end: () => resolve(name) };
}

test('as many tasks run as there are workers, the others begin in the order of coming', async () => {
  const queue = new TaskQueue(2);
  const begun: string[] = [];
  const tasks = ['a', 'b', 'c', 'd'].map((name) => openTask(name, begun));
  const results = tasks.map(({ run }) => queue.run(run));
  expect(begun).toEqual(['a', 'b']);
  tasks[1]!.end();
  expect(await results[1]).toBe('b');
  expect(begun).toEqual(['a', 'b', 'c']);
  for (const { end } of tasks) end();
  expect(await Promise.all(results)).toEqual(['a', 'b', 'c', 'd']);
});

test('a task whose client left while it waited is not begun, and the next one is', async () => {
  const queue = new TaskQueue(1);
  const begun: string[] = [];
  const [first, left, last] = ['first', 'left', 'last'].map((name) => openTask(name, begun));
  let isAbandoned = false;
  const results = Promise.allSettled([
    queue.run(first!.run),
    queue.run(left!.run, () => isAbandoned),
    queue.run(last!.run),
  ]);
  isAbandoned = true;
  first!.end();
  last!.end();
  expect(await results).toMatchObject([{ value: 'first' }, { reason: { code: 'client_closed' } }, { value: 'last' }]);
  expect(begun).toEqual(['first', 'last']);
});

test('a task that fails leaves its place to the next', async () => {
  const queue = new TaskQueue(1);
  await expect(queue.run(() => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
  expect(await queue.run(async () => 'next')).toBe('next');
});
