import { expect, test } from 'vitest';
import { stateOf } from '../../src/runs/life.ts';

const MINUTE = 60_000;
const NOW = 1_700_000_000_000;

/** State of a run. `saidAgo` and `recordedAgo` are minutes since its state was set and since its last recording. */
function stateAfter(
  state: 'running' | 'finished' | 'failed' | undefined,
  saidAgo: number,
  recordedAgo: number,
): string {
  const said = state && { state, at: NOW - saidAgo * MINUTE };
  return stateOf({ said, updatedAt: NOW - recordedAgo * MINUTE, batches: 1 }, NOW);
}

test('a run whose trainer says nothing runs while it is active, and is idle then', () => {
  expect(stateAfter(undefined, 0, 4)).toBe('running');
  expect(stateAfter(undefined, 0, 6)).toBe('idle');
  expect(stateOf({ said: undefined, updatedAt: NOW, batches: 0 }, NOW)).toBe('idle');
});

test('a run that is said to be running has crashed after half an hour of silence, and not before', () => {
  expect(stateAfter('running', 100, 29)).toBe('running');
  expect(stateAfter('running', 100, 31)).toBe('crashed');
  // The trainer has begun and recorded nothing yet.
  expect(stateAfter('running', 29, 100)).toBe('running');
  expect(stateAfter('running', 31, 100)).toBe('crashed');
});

test.each(['finished', 'failed'] as const)(
  'a run that is said to have %s stays so, until more is recorded',
  (state) => {
    expect(stateAfter(state, 10_000, 10_001)).toBe(state);
    // Other ranks may record until a little later.
    expect(stateAfter(state, 10_000, 9_999.5)).toBe(state);
    expect(stateAfter(state, 100, 10)).toBe('running');
    expect(stateAfter(state, 100, 40)).toBe('crashed');
  },
);
