/** Faults injected into a training, each with the finding that the service must report. */
import { expect, test } from 'vitest';
import { Service } from '../service.ts';
import { CLASSES, Training, batchOf, flipBit, lossesOf, mean, random, short, sum } from './training.ts';
import type { Batch } from './training.ts';

const service = Service.start();

/** Losses of tokens: three micro-batches of different lengths for each rank. */
const TOKENS = Array.from({ length: 4 }, (_, rank) =>
  [5, 40, 90 + 30 * rank].map((length, micro) => {
    const next = random(100 + 10 * rank + micro);
    return Array.from({ length }, () => 0.2 + 0.5 * micro + 2 * next());
  }),
);
const PAIRS = TOKENS.map((rank) => rank.map((tokens) => [sum(tokens), tokens.length] as const));

const all = TOKENS.flat(2);
const own = (rank: number): number[] => TOKENS[rank]!.flat();
const means = TOKENS.map((rank) => rank.map(mean));

/** Losses that ranks declare, by the mistake in their computation. */
const DECLARED: [fault: string, declared: (rank: number) => number | undefined, found: string[]][] = [
  ['mean of means', () => mean(means.flat()), ['declared_loss_differs, mean_of_means, 0 1 2 3']],
  [
    'mean of means of a rank alone',
    (rank) => (rank === 2 ? mean(means[2]!) : mean(own(rank))),
    ['declared_loss_differs, rank_mean_of_means, 2'],
  ],
  [
    'mean over ranks of unequal lengths',
    () => mean(TOKENS.map((_, rank) => mean(own(rank)))),
    ['declared_loss_differs, mean_of_rank_means, 0 1 2 3'],
  ],
  ['sum instead of mean', () => sum(all), ['declared_loss_differs, sum, 0 1 2 3']],
  ['sum of the rank', (rank) => sum(own(rank)), ['declared_loss_differs, rank_sum, 0 1 2 3']],
  ['no division by micro-batches', () => sum(means.flat()), ['declared_loss_differs, sum_of_means, 0 1 2 3']],
  [
    'no division by the micro-batches of the rank',
    (rank) => sum(means[rank]!),
    ['declared_loss_differs, rank_sum_of_means, 0 1 2 3'],
  ],
  ['the last micro-batch alone', (rank) => means[rank]!.at(-1), ['declared_loss_differs, last_micro_batch, 0 1 2 3']],
  ['the first micro-batch alone', (rank) => means[rank]![0], ['declared_loss_differs, first_micro_batch, 0 1 2 3']],
  ['division twice', (rank) => mean(own(rank)) / 3, ['declared_loss_differs, divided_by_micro_batches, 0 1 2 3']],
  ['division by the ranks too', () => mean(all) / 4, ['declared_loss_differs, divided_by_ranks, 0 1 2 3']],
  ['a sum over ranks', () => mean(all) * 4, ['declared_loss_differs, times_ranks, 0 1 2 3']],
  ['no reduction over ranks', (rank) => sum(own(rank)) / all.length, ['declared_loss_differs, rank_share, 0 1 2 3']],
  ['perplexity', () => Math.exp(mean(all)), ['declared_loss_differs, perplexity, 0 1 2 3']],
  ['bits', () => mean(all) / Math.LN2, ['declared_loss_differs, bits_per_token, 0 1 2 3']],
  ['a NaN that is not there', (rank) => (rank === 1 ? NaN : undefined), ['declared_loss_differs, , 1']],
  ['another loss', () => 7.654321, ['declared_loss_differs, , 0 1 2 3']],
];

test.each(DECLARED)('a declared loss: %s', async (_fault, declared, found) => {
  const training = new Training(service);
  await training.putPairs(1, PAIRS, declared);
  expect(short(await training.findings(1))).toEqual(found);
});

/** Trains eight ranks for the steps 1 to 3. @param falsify returns the body to record, which may be changed */
async function train(falsify: (step: number, rank: number, batch: Batch) => object): Promise<Training> {
  const training = new Training(service);
  for (const step of [1, 2, 3]) {
    for (let rank = 0; rank < 8; rank++)
      await training.put({ step, rank }, falsify(step, rank, batchOf(100 * step + rank, { rows: 64 })));
  }
  return training;
}

/** A class of a row, other than its label, whose logit remains finite with its highest exponent bit. */
const smallLogit = ({ logits, label }: Batch, row: number): number =>
  logits[row]!.findIndex((x, c) => x > 0 && x < 1 && c !== label[row]);

const isThere = (step: number, rank: number): boolean => step === 3 && rank === 5;

/** Falsified batches of a rank, with the expected findings. */
const RANKS: [fault: string, falsify: (step: number, rank: number, batch: Batch) => object, found: string[]][] = [
  [
    'a bit flip in the exponent of a logit',
    (step, rank, batch) =>
      isThere(step, rank) ? flipBit(batch, { row: 7, column: smallLogit(batch, 7), bit: 30 }) : batch,
    ['rank_apart, , 5'],
  ],
  [
    "another rank's data",
    (step, rank, batch) => (isThere(step, rank) ? batchOf(100 * step + 2, { rows: 64 }) : batch),
    ['same_batch, 2 5'],
  ],
  [
    'stale labels of a rank',
    (step, rank, batch) => (isThere(step, rank) ? { ...batch, label: batchOf(200 + rank, { rows: 64 }).label } : batch),
    ['rank_apart, , 5', 'stale_labels, 5'],
  ],
  [
    'stale labels of all ranks',
    (step, rank, batch) => (step === 3 ? { ...batch, label: batchOf(200 + rank, { rows: 64 }).label } : batch),
    ['stale_labels, 0 1 2 3 4 5 6 7'],
  ],
  [
    'a sum in place of a mean',
    (step, rank, batch) => ({
      numerator: sum(lossesOf(batch)),
      denominator: isThere(step, rank) ? 1 : batch.label.length,
    }),
    ['rank_apart, sum, 5'],
  ],
  [
    'a mean that was divided again',
    (step, rank, batch) => ({
      numerator: isThere(step, rank) ? mean(lossesOf(batch)) : sum(lossesOf(batch)),
      denominator: batch.label.length,
    }),
    ['rank_apart, divided_by_denominator, 5'],
  ],
  [
    'logits of another layer',
    (step, rank, batch) =>
      isThere(step, rank) ? { ...batch, logits: batch.logits.map((row) => row.map((x) => 40 * x)) } : batch,
    ['rank_apart, , 5'],
  ],
];

test.each(RANKS)('a rank: %s', async (_fault, falsify, found) => {
  const training = await train(falsify);
  expect(short(await training.findings(3))).toEqual(found);
  expect(short(await training.findings(2))).toEqual([]);
});

/** Batch for the tests of declared losses that do not follow from the options. */
const batch = batchOf(7, { rows: 40 });
const nll = lossesOf(batch);
const uniform = batch.logits.map((row) => mean(row.map((_, c) => lossesOf({ logits: [row], label: [c] })[0]!)));
const padded = { ...batch, label: batch.label.map((y, k) => (k % 5 === 4 ? -100 : y)) };
const counted = nll.filter((_, k) => k % 5 !== 4);
const mask = nll.map((_, k) => 0.25 * (k % 4));
const lse = batch.logits.map((row) => Math.log(sum(row.map((x) => Math.exp(x)))));
const shifted = (by: number): number =>
  mean(lossesOf({ logits: batch.logits.slice(0, 40 - by), label: batch.label.slice(by) }));

const OPTIONS: [fault: string, body: object, declared: number, found: Record<string, unknown>][] = [
  ['a shift that was forgotten', { ...batch, options: { shift: 1 } }, mean(nll), { shift: 0 }],
  ['a shift that was not asked for', batch, shifted(1), { shift: 1 }],
  ['a second shift', { ...batch, options: { shift: 1 } }, shifted(2), { shift: 2 }],
  ['smoothing that was left out', { ...batch, options: { label_smoothing: 0.1 } }, mean(nll), { label_smoothing: 0 }],
  ['smoothing', batch, 0.9 * mean(nll) + 0.1 * mean(uniform), { label_smoothing: 0.1 }],
  ['a sum', batch, sum(nll), { normalisation: 'sum' }],
  ['padding that is counted', padded, sum(counted) / 40, { normalisation: 'mean_over_all_rows' }],
  [
    'a mask by which was not divided',
    { ...batch, input_mask: mask },
    sum(nll.map((l, k) => l * mask[k]!)) / 30,
    { normalisation: 'mean_over_counted_rows' },
  ],
  [
    'a mask that was taken for 0 and 1',
    { ...batch, input_mask: mask },
    mean(nll.filter((_, k) => k % 4 !== 0)),
    { normalisation: 'mean_without_weights' },
  ],
  ['a z-loss', batch, mean(nll) + 1e-3 * mean(lse.map((x) => x * x)), { lse_square_scale: 0.001 }],
  ['bits', batch, mean(nll) / Math.LN2, { unit: 'bits_per_token' }],
  ['perplexity', batch, Math.exp(mean(nll)), { unit: 'perplexity' }],
  ['a sum without the shift', { ...batch, options: { shift: 1 } }, sum(nll), { shift: 0, normalisation: 'sum' }],
  [
    'a perplexity with smoothing left out',
    { ...batch, options: { label_smoothing: 0.1 } },
    Math.exp(mean(nll)),
    { label_smoothing: 0, unit: 'perplexity' },
  ],
];

test.each(OPTIONS)('a batch: %s', async (_fault, body, declared, found) => {
  const training = new Training(service);
  const answer = await training.put({ step: 1 }, { ...body, declared_loss: declared });
  expect(answer).toMatchObject({ agrees: false, reproduced_by: found });
});

/** Batch for the tests of reruns, without a fault. */
const clean = batchOf(9);
const flipped = flipBit(clean, { row: 11, column: clean.label[11]!, bit: 20 });
const broken = { ...clean, logits: clean.logits.with(6, clean.logits[6]!.with(2, NaN)) };

const RERUNS: [fault: string, attempts: [Batch, string][], found: object][] = [
  [
    'a bit flip in a first result',
    [
      [broken, 'a'],
      [clean, 'a'],
    ],
    { verdict: 'transient', same_bits: false, first_differing_row: 6 },
  ],
  [
    'a bit flip in a rerun',
    [
      [clean, 'a'],
      [flipped, 'a'],
    ],
    { verdict: 'transient', same_bits: false },
  ],
  [
    'a faulty device',
    [
      [broken, 'a'],
      [broken, 'a'],
      [clean, 'b'],
    ],
    { verdict: 'persistent', same_bits: false, first_differing_row: 6 },
  ],
  [
    'a NaN of the model',
    [
      [broken, 'a'],
      [broken, 'a'],
      [broken, 'b'],
    ],
    { verdict: 'correct', same_bits: true },
  ],
];

test.each(RERUNS)('a rerun: %s', async (_fault, attempts, found) => {
  const training = new Training(service);
  for (const [attempt, [content, device]] of attempts.entries())
    await training.put({ step: 4, rank: 1, attempt }, { ...content, device });
  expect(await training.reruns(4)).toMatchObject([{ rank: 1, micro_batch: 0, same_labels: true, ...found }]);
});

test('a bit flip in one of two runs is found, with its step, rank and row', async () => {
  const [one, other] = [new Training(service), new Training(service)];
  for (const step of [1, 2, 3]) {
    for (const rank of [0, 1]) {
      const content = batchOf(10 * step + rank, { classes: CLASSES });
      const nan = { ...content, logits: content.logits.with(20, content.logits[20]!.with(1, NaN)) };
      const isLast = step === 3 && rank === 1;
      await one.put({ step, rank }, isLast ? nan : content);
      const wrong = flipBit(nan, { row: 4, column: content.label[4]!, bit: 22 });
      await other.put({ step, rank }, isLast ? wrong : content);
    }
  }
  const found = await one.get(`comparison?with=${other.run}`);
  expect(found).toMatchObject({
    same: 5,
    difference: { step: 3, rank: 1, micro_batch: 0, loss: 'NaN', same_labels: true, row: { row: 4 } },
  });
  const shuffled = new Training(service);
  for (const step of [1, 2]) await shuffled.put({ step }, batchOf(step === 1 ? 10 : 99));
  expect(await one.get(`comparison?with=${shuffled.run}`)).toMatchObject({
    ...{ same: 1, only_here: { step: 1, rank: 1, micro_batch: 0 } },
    difference: { step: 2, rank: 0, same_labels: false },
  });
});
