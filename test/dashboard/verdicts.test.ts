import { expect, test } from 'vitest';
import type { Rerun } from '../../dashboard/src/api/types.ts';
import { countVerdicts, describeRerun, worstFirst } from '../../dashboard/src/run-page/verdicts.ts';

const rerunOf = (micro: number, changed: Partial<Rerun>): Rerun => ({
  ...{ rank: 0, micro_batch: micro, attempts: [] },
  ...{ same_bits: false, relative_difference: 1.25e-7, verdict: 'undetermined' },
  ...changed,
});

const reruns = [
  rerunOf(0, { verdict: 'correct', same_bits: true }),
  rerunOf(1, { same_bits: true }),
  rerunOf(2, {}),
  rerunOf(3, { verdict: 'transient' }),
  rerunOf(4, { verdict: 'persistent' }),
];

test('micro-batches with the worst verdict come first, and of one verdict those that differ', () => {
  expect(worstFirst(reruns).map(({ micro_batch: micro }) => micro)).toEqual([4, 3, 2, 1, 0]);
  expect(countVerdicts(reruns)).toEqual([
    ['persistent', 1],
    ['transient', 1],
    ['undetermined', 2],
    ['correct', 1],
  ]);
});

test.each([
  [{ same_bits: true, relative_difference: 0 }, 'same bits'],
  [{ same_labels: false }, 'different labels'],
  [
    {
      attempts: [
        { attempt: 0, loss: 2 },
        { attempt: 3, loss: Infinity, device: 'a' },
      ],
    },
    'relative difference 1.250e−7; attempt 0: 2.0000; attempt 3: +Inf on a',
  ],
  [{}, 'relative difference 1.250e−7'],
  [{ relative_difference: NaN, first_differing_row: 1234 }, 'relative difference NaN, first at row 1,234'],
] satisfies [Partial<Rerun>, string][])('a rerun in words: %o', (changed, words) => {
  expect(describeRerun(rerunOf(0, changed))).toBe(words);
});
