import { expect, test } from 'vitest';
import { runWaiting, settled } from '../src/waiting.ts';
import type { Waiting } from '../src/waiting.ts';

function* add(...terms: (number | Promise<number>)[]): Waiting<number> {
  let sum = 0;
  for (const term of terms) sum += yield* settled(term);
  return sum;
}

test('work that has nothing to wait for is done at once', () => {
  expect(runWaiting(add(1, 2, 3))).toBe(6);
});

test('work goes on with what it waited for', async () => {
  const sum = runWaiting(add(1, Promise.resolve(2), 3, Promise.resolve(4)));
  expect(sum).toBeInstanceOf(Promise);
  expect(await sum).toBe(10);
});

test('what was waited for can be caught, and is thrown where it is not', async () => {
  const failure = new Error('no');
  await expect(runWaiting(add(1, Promise.reject(failure)))).rejects.toBe(failure);
  const caught = runWaiting(
    (function* work(): Waiting<string> {
      try {
        return String(yield Promise.reject(failure));
      } catch (error) {
        yield Promise.resolve();
        return (error as Error).message;
      }
    })(),
  );
  expect(await caught).toBe('no');
});

test('what it throws before it waits is thrown at once', () => {
  const work = function* work(fails: boolean): Waiting<unknown> {
    if (fails) throw new Error('at once');
    return yield Promise.resolve();
  };
  expect(() => runWaiting(work(true))).toThrow('at once');
});
