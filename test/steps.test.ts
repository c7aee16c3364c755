import { expect, test } from 'vitest';
import { ENTRIES_PER_STEP, copyInSteps, inSteps, runAtOnce, runInTurns } from '../src/steps.ts';
import type { Steps } from '../src/steps.ts';

/** Work that keeps the thread for some milliseconds in each of its steps. */
function* busy(steps: number, milliseconds: number): Steps<string> {
  for (let step = 0; step < steps; step++) {
    const end = performance.now() + milliseconds;
    while (performance.now() < end);
    yield;
  }
  return 'done';
}

test('work that is done in one turn is done at once', () => {
  expect(runInTurns(busy(0, 0))).toBe('done');
});

test('long work leaves the thread to others between its turns', async () => {
  let turns = 0;
  const count = (): void => {
    turns++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  expect(await runInTurns(busy(20, 3))).toBe('done');
  clearImmediate(timer);
  // A turn takes 5 ms, plus the rest of its last step.
  expect(turns).toBeGreaterThanOrEqual(9);
});

test('every entry is in one step, in order', () => {
  const count = 2 * ENTRIES_PER_STEP + 5;
  const seen: [from: number, to: number][] = [];
  runAtOnce(inSteps(count, (from, to) => void seen.push([from, to])));
  expect(seen).toEqual([
    [0, ENTRIES_PER_STEP],
    [ENTRIES_PER_STEP, 2 * ENTRIES_PER_STEP],
    [2 * ENTRIES_PER_STEP, count],
  ]);
});

test('an error ends the work, in whichever turn it is thrown', async () => {
  const failing = function* (): Steps<never> {
    yield* busy(3, 4);
    throw new Error('no');
  };
  await expect(async () => runInTurns(failing())).rejects.toThrow('no');
});

test('works of many requests share a turn', async () => {
  let steps = 0;
  let most = 0;
  const counted = function* (): Steps<string> {
    for (const work = busy(10, 1); work.next().done !== true;) {
      steps++;
      yield;
    }
    return 'done';
  };
  const look = (): void => {
    most = Math.max(most, steps);
    steps = 0;
    timer = setImmediate(look);
  };
  let timer = setImmediate(look);
  const works = Array.from({ length: 64 }, () => Promise.resolve(runInTurns(counted())));
  expect(await Promise.all(works)).toEqual(works.map(() => 'done'));
  clearImmediate(timer);
  // All works share turns of 5 ms, which have room for few steps of 1 ms. A turn for each work would be 320 steps.
  expect(most).toBeLessThanOrEqual(12);
});

test('short work is not kept waiting by the end of long work that began before it', async () => {
  const ends: string[] = [];
  const long = Promise.resolve(runInTurns(busy(100, 1))).then(() => ends.push('long'));
  const short = Promise.resolve(runInTurns(busy(2, 1))).then(() => ends.push('short'));
  await Promise.all([long, short]);
  expect(ends).toEqual(['short', 'long']);
});

test('work that fails does not keep pending work from its end', async () => {
  const failing = function* (): Steps<never> {
    yield* busy(8, 1);
    throw new Error('no');
  };
  const works = [runInTurns(failing()), runInTurns(busy(8, 1))].map((work) => Promise.resolve(work));
  const results = await Promise.allSettled(works);
  expect(results).toMatchObject([{ status: 'rejected' }, { value: 'done' }]);
});

test('bytes are copied in steps, to their place', () => {
  const source = Uint8Array.from({ length: 2 ** 20 + 3 }, (_, k) => k % 251);
  const target = new Uint8Array(source.length + 5);
  const work = copyInSteps(source, target, 5);
  expect(work.next().done).toBe(false);
  runAtOnce(work);
  expect(Buffer.compare(target.subarray(5), source)).toBe(0);
});
