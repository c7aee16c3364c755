/** Healthy trainings that look unusual: the service must report no finding. */
import { expect, test } from 'vitest';
import { Service } from '../service.ts';
import { Training, batchOf, lossesOf, mean, random, sum } from './training.ts';
import type { Batch, Declared } from './training.ts';

const service = Service.start();

type Pair = readonly [numerator: number, denominator: number];

/** Rounds a loss to bfloat16, as a trainer in bfloat16 reports it. */
const toBfloat16 = (value: number): number => {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value);
  bits.setUint32(0, (bits.getUint32(0) + 0x8000) & 0xffff_0000);
  return bits.getFloat32(0);
};
const rounded = (digits: number) => (value: number) => Number(value.toFixed(digits));

/** Pairs of ranks with random losses of tokens. @param lengths numbers of tokens of the micro-batches of each rank */
function pairsOf(seed: number, lengths: readonly (readonly number[])[]): Pair[][] {
  const next = random(seed);
  // Exponential distribution: losses of tokens have a long tail.
  return lengths.map((rank) =>
    rank.map((length) => [sum(Array.from({ length }, () => -2 * Math.log(1 - next()))), length] as const),
  );
}

const totalOf = (pairs: readonly Pair[]): number => sum(pairs.map(([n]) => n)) / sum(pairs.map(([, d]) => d));
const UNEQUAL = pairsOf(1, [
  [5, 40, 90],
  [7, 300],
  [64, 1],
  [20, 21, 22, 23],
]);
const EQUAL = pairsOf(
  2,
  Array.from({ length: 4 }, () => [64, 64, 64]),
);

/** Steps of pairs, with the losses that their ranks declare. */
const PAIRS: [what: string, pairs: readonly (readonly Pair[])[], declared: ((rank: number) => number) | undefined][] = [
  ['unequal denominators, the mean of the step', UNEQUAL, () => totalOf(UNEQUAL.flat())],
  ['unequal denominators, the mean of the rank', UNEQUAL, (rank) => totalOf(UNEQUAL[rank]!)],
  ['equal denominators, the mean of means', EQUAL, () => mean(EQUAL.flat().map(([n, d]) => n / d))],
  ['a loss in float32', UNEQUAL, () => Math.fround(totalOf(UNEQUAL.flat()))],
  ['a loss of a sum in float32', UNEQUAL, () => Math.fround(totalOf(UNEQUAL.flat()) * (1 + 4e-6))],
  ['a loss in bfloat16', UNEQUAL, () => toBfloat16(totalOf(UNEQUAL.flat()))],
  ['a loss of four decimals', UNEQUAL, () => rounded(4)(totalOf(UNEQUAL.flat()))],
  ['a loss of two decimals', UNEQUAL, () => rounded(2)(totalOf(UNEQUAL.flat()))],
  ['a rank of nothing, which declares 0', [[[0, 0]], [[3, 2]], [[4, 2]]], (rank) => [0, 1.5, 2][rank]!],
  ['a rank of nothing, which declares NaN', [[[0, 0]], [[3, 2]]], (rank) => [NaN, 1.5][rank]!],
  ['a NaN that was declared', [[[NaN, 8]], [[NaN, 8]]], () => NaN],
  ['an Infinity that was declared as NaN', [[[Infinity, 8]]], () => NaN],
  ['a single pair', [[[12, 8]]], () => 1.5],
  ['two ranks that are far apart', [[[8, 8]], [[800, 8]]], undefined],
  ['three ranks that are far apart', [[[8, 8]], [[80, 8]], [[800, 8]]], undefined],
  [
    'few tokens',
    pairsOf(
      3,
      Array.from({ length: 16 }, () => [3]),
    ),
    undefined,
  ],
  [
    'one token',
    pairsOf(
      4,
      Array.from({ length: 16 }, () => [1, 1]),
    ),
    undefined,
  ],
  [
    'very different numbers of tokens',
    pairsOf(
      5,
      Array.from({ length: 32 }, (_, k) => [2 ** (k % 12)]),
    ),
    undefined,
  ],
  [
    'thousands of tokens',
    pairsOf(
      6,
      Array.from({ length: 64 }, () => [4096]),
    ),
    undefined,
  ],
  [
    'a loss of all ranks, on each of them',
    Array.from({ length: 8 }, () => [[1234.5, 640]] as const),
    () => 1234.5 / 640,
  ],
  ['ranks of which one is not finite', [[[8, 8]], [[9, 8]], [[NaN, 8]], [[8, 8]], [[9, 8]]], undefined],
  [
    'losses near 0',
    pairsOf(
      7,
      Array.from({ length: 8 }, () => [256]),
    ).map((r) => r.map(([n, d]) => [n * 1e-9, d] as const)),
    undefined,
  ],
];

test.each(PAIRS)('pairs: %s', async (_what, pairs, declared) => {
  const training = new Training(service);
  await training.putPairs(1, pairs, declared);
  expect(await training.findings(1)).toEqual([]);
});

test('of many small steps, none has a rank apart by chance', async () => {
  const training = new Training(service);
  const steps = 60;
  for (let step = 0; step < steps; step++)
    await training.putPairs(
      step,
      pairsOf(
        1000 + step,
        Array.from({ length: 8 }, (_, k) => [4 + 30 * (k % 3)]),
      ),
    );
  const found = [];
  for (let step = 0; step < steps; step++) found.push(...(await training.findings(step)));
  expect(found).toEqual([]);
});

const uniform = (rows: number, classes: number): number[][] =>
  Array.from({ length: rows }, () => Array.from({ length: classes }, () => 0));

/** Batches of a rank at a step. */
const BATCHES: [
  what: string,
  batchAt: (step: number, rank: number) => Batch & { options?: object; input_mask?: number[] },
][] = [
  ['ranks with data of their own', (step, rank) => batchOf(100 * step + rank)],
  ['one batch at each step', (step, rank) => ({ ...batchOf(100 * step + rank), label: batchOf(rank).label })],
  [
    'labels that are all the same',
    (step, rank) => ({ ...batchOf(100 * step + rank), label: Array.from({ length: 24 }, () => 5) }),
  ],
  ['labels of a few classes', (step, rank) => batchOf(100 * step + rank, { rows: 6, classes: 2 })],
  ['logits that are all 0', (step, rank) => ({ ...batchOf(100 * step + rank), logits: uniform(24, 32) })],
  [
    'labels of a rare class',
    (_step, rank) => ({ logits: uniform(40, 2), label: Array.from({ length: 40 }, (_, k) => Number(k === rank)) }),
  ],
  ['padding alone', (step, rank) => ({ ...batchOf(100 * step + rank), label: Array.from({ length: 24 }, () => -100) })],
  [
    'a NaN in a row',
    (step, rank) => {
      const batch = batchOf(100 * step + rank);
      return rank === 3
        ? {
            ...batch,
            logits: batch.logits.with(
              0,
              Array.from({ length: 32 }, () => NaN),
            ),
          }
        : batch;
    },
  ],
];

test.each(BATCHES)('batches: %s', async (_what, batchAt) => {
  const training = new Training(service);
  for (let step = 1; step <= 4; step++) {
    for (let rank = 0; rank < 5; rank++) await training.put({ step, rank }, batchAt(step, rank));
    // A repeated request is the same recording.
    await training.put({ step, rank: 1 }, batchAt(step, 1));
  }
  for (let step = 1; step <= 4; step++) expect(await training.findings(step), `step ${step}`).toEqual([]);
});

const batch = batchOf(7, { rows: 40 });
const nll = lossesOf(batch);
const all = batch.logits.map((row) => mean(row.map((_, c) => lossesOf({ logits: [row], label: [c] })[0]!)));
const lse = batch.logits.map((row) => Math.log(sum(row.map((x) => Math.exp(x)))));
const weight = Array.from({ length: 32 }, (_, c) => 0.5 + (c % 3));
const weights = batch.label.map((y) => weight[y]!);
const ofWeights = sum(nll.map((l, k) => l * weights[k]!)) / sum(weights);

/** Batches whose trainer declares their loss. */
const DECLARED: [what: string, body: object, declared: number][] = [
  ['in float64', batch, mean(nll)],
  ['in float32', batch, Math.fround(mean(nll))],
  ['in bfloat16', batch, toBfloat16(mean(nll))],
  ['of three decimals', batch, rounded(3)(mean(nll))],
  [
    'with a shift',
    { ...batch, options: { shift: 1 } },
    mean(lossesOf({ logits: batch.logits.slice(0, 39), label: batch.label.slice(1) })),
  ],
  ['with smoothing', { ...batch, options: { label_smoothing: 0.1 } }, 0.9 * mean(nll) + 0.1 * mean(all)],
  ['with a z-loss', { ...batch, options: { lse_square_scale: 0.01 } }, mean(nll) + 0.01 * mean(lse.map((x) => x * x))],
  ['without the z-loss', { ...batch, options: { lse_square_scale: 0.01 } }, mean(nll)],
  ['with class weights', { ...batch, weight: { dtype: 'float32', shape: [32], data: weight } }, ofWeights],
  ['of a sum', { ...batch, options: { reduction: 'sum' } }, sum(nll)],
  ['of the mean of a sum', { ...batch, options: { reduction: 'sum' } }, mean(nll)],
  ['of a pair of its own', { ...batch, options: { calculate_per_token_loss: true } }, mean(nll)],
  ['of nothing', { ...batch, label: batch.label.map(() => -100) }, 0],
  ['of NaN', { ...batch, logits: batch.logits.map((row) => row.map(() => NaN)) }, NaN],
  ['of a pair', { numerator: 12, denominator: 8 }, 1.5],
];

test.each(DECLARED)('a declared loss: %s', async (_what, body, declared) => {
  const training = new Training(service);
  const answer: Declared = await training.put({ step: 1 }, { ...body, declared_loss: declared });
  expect(answer).toMatchObject({ agrees: true });
  expect(answer).not.toHaveProperty('reproduced_by');
});

test('a resumed run with other data, or the same on an unknown device, gets no verdict', async () => {
  const training = new Training(service);
  await training.put({ step: 5 }, { ...batchOf(1), device: 'a' });
  await training.put({ step: 5, attempt: 1 }, { ...batchOf(2), device: 'a' });
  expect(await training.reruns(5)).toMatchObject([{ same_labels: false, verdict: 'undetermined' }]);
  await training.put({ step: 6, attempt: 1 }, batchOf(3));
  await training.put({ step: 6, attempt: 2 }, batchOf(3));
  expect(await training.reruns(6)).toMatchObject([
    { same_bits: true, relative_difference: 0, verdict: 'undetermined' },
  ]);
  expect(await training.reruns(7)).toEqual([]);
});

test('kernels that sum in any order are no faulty devices within a tolerance', async () => {
  const training = new Training(service);
  for (const [attempt, numerator] of [12, 12.000_001].entries())
    await training.put({ step: 5, attempt }, { numerator, denominator: 8, device: 'a' });
  const verdictAt = async (query: string) =>
    (await training.get<{ reruns: { verdict: string }[] }>(`steps/5/reruns${query}`)).reruns[0]!.verdict;
  expect(await verdictAt('')).toBe('transient');
  expect(await verdictAt('?tolerance=1e-6')).toBe('undetermined');
});

test('runs with the same batches have no difference, whatever their lengths', async () => {
  const [one, other] = [new Training(service), new Training(service)];
  for (let step = 0; step < 5; step++) {
    await one.put({ step }, batchOf(step));
    if (step < 3) await other.put({ step }, batchOf(step));
  }
  expect(await one.get(`comparison?with=${other.run}`)).toEqual({ same: 3 });
  expect(await one.get(`comparison?with=${one.run}`)).toEqual({ same: 5 });
});
