import { expect, test } from 'vitest';
import { readTopReference } from '../../../src/evaluations/kl-divergence/top-reference.ts';
import { ENTRIES_PER_STEP } from '../../../src/steps.ts';
import type { DType } from '../../../src/tensor/dtype.ts';
import { HeldBytes } from '../../../src/wire/body/held-bytes.ts';
import { encodeElements } from '../../../src/wire/tensors/elements.ts';

/** Top K with the first K classes of each row, with equal probabilities. */
function uniform(rows: number, K: number, dtype: DType) {
  const tensor = (of: DType, value: (k: number) => number) => ({
    ...{ dtype: of, shape: [rows, K] },
    data: encodeElements(
      'top',
      of,
      Array.from({ length: rows * K }, (_, at) => value(at % K)),
    ),
  });
  return { 'reference.indices': tensor(dtype, (k) => k), 'reference.logprobs': tensor('float64', () => -Math.log(K)) };
}

/** Reads a top K. @returns the number of steps, and the bytes held */
function read(rows: number, K: number, dtype: DType = 'int32') {
  const heldBytes = new HeldBytes(2 ** 30);
  const work = readTopReference(uniform(rows, K, dtype), [rows, K], heldBytes.open());
  let steps = 1;
  while (work.next().done !== true) steps++;
  return { steps, held: heldBytes.held };
}

test('a step sums no more entries than other steps read, however large K is', () => {
  const [rows, K] = [40, 8192];
  const stepsOfEntries = Math.ceil((rows * K) / ENTRIES_PER_STEP);
  // All entries are read, and then summed, without a yield in between.
  expect(read(rows, K).steps).toBe(2 * stepsOfEntries - 1);
});

test('a row longer than a step is a step', () => {
  const K = 2 * ENTRIES_PER_STEP;
  expect(read(3, K).steps).toBe(6 + 3 - 1);
});

test('indices of 64 bits are on the account a second time', () => {
  const [narrow, wide] = [read(4, 100).held, read(4, 100, 'int64').held];
  expect(narrow).toBe(4 * 100 * 12 + 100 * 4);
  expect(wide - narrow).toBe(4 * 100 * 8);
});
