import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Turns } from '../../../src/pipeline/admission/turns.ts';

/** Longer than the time in which requests may begin in one turn. */
const LONG_MS = 4;

function work(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

/** Requests that arrive in one turn, which has time for the first only. @returns names of begun requests, in order */
function comeTogether(turns: Turns, names: string, workMs: number): string[] {
  const begun: string[] = [];
  for (const name of names) {
    const begin = (): void => {
      begun.push(name);
      work(workMs);
    };
    const turn = turns.take();
    if (turn === undefined) begin();
    else void turn.then(() => Promise.resolve()).then(begin);
    if (begun.length === 1) work(LONG_MS);
  }
  return begun;
}

test('what takes long begins one a turn, in the order of coming', async () => {
  const turns = new Turns();
  const begun = comeTogether(turns, 'abcd', LONG_MS);
  expect([begun.join(''), turns.waiting]).toEqual(['a', 3]);
  for (const soFar of ['ab', 'abc', 'abcd']) {
    await nextTurn();
    expect(begun.join('')).toBe(soFar);
  }
});

test('what is soon done shares a turn', async () => {
  const turns = new Turns();
  const begun = comeTogether(turns, 'abcd', 0);
  expect(begun.join('')).toBe('a');
  await nextTurn();
  expect([begun.join(''), turns.waiting]).toEqual(['abcd', 0]);
  await nextTurn();
  expect(turns.take()).toBe(undefined);
});

test('who comes while others wait is after them', async () => {
  const turns = new Turns();
  const begun = comeTogether(turns, 'abc', LONG_MS);
  await nextTurn();
  void turns.take()!.then(() => begun.push('d'));
  for (let k = 0; k < 3; k++) await nextTurn();
  expect(begun.join('')).toBe('abcd');
});
