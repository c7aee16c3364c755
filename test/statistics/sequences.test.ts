import { Decimal } from 'decimal.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { METRICS, STATISTICS } from '../../src/statistics/list.ts';
import type { MetricName } from '../../src/statistics/list.ts';
import { sequencesIn } from '../../src/statistics/sequence-list.ts';
import type { Sums } from '../../src/statistics/statistic.ts';

interface Batch {
  readonly nll: readonly number[];
  /** 0 leaves a row out. */
  readonly masks: readonly number[];
  readonly lengths: readonly number[];
  readonly bytes?: number;
  readonly words?: number;
}

function sumsOf(statistic: keyof typeof STATISTICS, { nll, masks, lengths, bytes, words }: Batch): Sums {
  const sums = STATISTICS[statistic].sums!();
  const facts = { count: lengths.length, lengthOf: (k: number) => lengths[k]!, bytes, words };
  const add = sums.adder({ nll: Float64Array.from(nll) }, facts);
  for (const [row, m] of masks.entries()) if (m !== 0) add(row, m);
  return sums;
}

function metricOf(name: MetricName, batches: readonly Batch[]): number {
  const metric = METRICS[name];
  const { statistic } = metric;
  const all = STATISTICS[statistic].sums!();
  for (const batch of batches) all.append(sumsOf(statistic, batch).save());
  return metric.of(
    all,
    batches.flatMap(({ masks }) => masks).reduce((sum, m) => sum + m, 0),
  );
}

/** Sequences of some rows each. Batches are cut between sequences. */
const anySequences = fc.array(
  fc.array(
    fc.record({
      nll: fc.double({ min: 0, max: 30, noNaN: true }),
      m: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0.01, max: 8, noNaN: true })),
    }),
    { maxLength: 6 },
  ),
  { maxLength: 8 },
);

type Sequences = typeof anySequences extends fc.Arbitrary<infer Value> ? Value : never;

const batchOf = (sequences: Sequences): Batch => ({
  nll: sequences.flat().map(({ nll }) => nll),
  masks: sequences.flat().map(({ m }) => m),
  lengths: sequences.map(({ length }) => length),
  bytes: 2 * sequences.flat().length,
  words: sequences.length,
});

test.each(['sequence_perplexity', 'standard_error', 'bits_per_byte', 'byte_perplexity', 'word_perplexity'] as const)(
  '%s of batches has the bits of that of their rows together',
  (name) => {
    fc.assert(
      fc.property(anySequences, fc.nat({ max: 8 }), (sequences, cut) => {
        const parts = [sequences.slice(0, cut), sequences.slice(cut)].map(batchOf);
        expect(metricOf(name, parts)).toBe(metricOf(name, [batchOf(sequences)]));
      }),
    );
  },
);

test('the list of sequences of batches is that of all', () => {
  fc.assert(
    fc.property(anySequences, fc.nat({ max: 8 }), (sequences, cut) => {
      const list = STATISTICS.sequenceList.sums!();
      for (const part of [sequences.slice(0, cut), sequences.slice(cut)]) {
        list.append(sumsOf('sequenceList', batchOf(part)).save());
      }
      const all = sequencesIn(list)!;
      expect(all).toEqual(sequencesIn(sumsOf('sequenceList', batchOf(sequences))));
      expect(all.map(({ tokens }) => tokens)).toEqual(sequences.map((rows) => rows.filter(({ m }) => m !== 0).length));
    }),
  );
});

describe('standard_error', () => {
  const errorOf = (nll: readonly number[], masks: readonly number[] = nll.map(() => 1)): number =>
    metricOf('standard_error', [{ nll, masks, lengths: [nll.length] }]);

  /** The definition, to 60 digits. */
  function exactError(nll: readonly number[], masks: readonly number[]): number {
    const D = Decimal.clone({ precision: 60 });
    // For a number, the constructor would use its shortest decimal text.
    const exactly = (x: number): Decimal => new D(`0b${x.toString(2)}`);
    const rows = nll.map((x, k) => ({ x: exactly(x), m: exactly(masks[k]!) })).filter(({ m }) => !m.isZero());
    const total = (term: (row: (typeof rows)[number]) => Decimal): Decimal =>
      rows.reduce((sum, row) => sum.plus(term(row)), new D(0));
    const weight = total(({ m }) => m);
    const mean = total(({ m, x }) => m.times(x)).div(weight);
    const squares = total(({ m, x }) => m.times(x.minus(mean)).pow(2));
    return squares
      .times(rows.length)
      .div(rows.length - 1)
      .sqrt()
      .div(weight)
      .toNumber();
  }

  test('is that of the definition', () => {
    fc.assert(
      fc.property(anySequences, (sequences) => {
        const { nll, masks } = batchOf(sequences);
        if (masks.filter((m) => m !== 0).length < 2) expect(errorOf(nll, masks)).toBeNaN();
        else {
          const exact = exactError(nll, masks);
          expect(Math.abs(errorOf(nll, masks) - exact)).toBeLessThanOrEqual(1e-12 * exact + 1e-14);
        }
      }),
    );
  });

  test('keeps its digits where the values hardly differ', () => {
    const nll = Array.from({ length: 1000 }, (_, k) => 1000 + 1e-9 * Math.sin(k));
    const exact = exactError(
      nll,
      nll.map(() => 1),
    );
    expect(Math.abs(errorOf(nll) / exact - 1)).toBeLessThan(1e-9);
  });

  test('does not change when the mask is scaled', () => {
    const nll = [1, 2.5, 0.25, 7];
    expect(
      errorOf(
        nll,
        nll.map(() => 0.125),
      ),
    ).toBe(errorOf(nll));
  });

  test('is NaN of an infinite mean, and 0 of equal values', () => {
    expect(errorOf([1, Infinity, 2])).toBeNaN();
    expect(errorOf([0.3, 0.3, 0.3])).toBeLessThan(1e-16);
  });
});

describe('perplexities', () => {
  test('are the mean over sequences with counted rows', () => {
    const batch = { nll: [1, 3, 9, 0.5], masks: [1, 1, 0, 2], lengths: [2, 0, 1, 1] };
    expect(metricOf('sequence_perplexity', [batch])).toBe((Math.exp(2) + Math.exp(0.5)) / 2);
  });

  test.each(['sequence_perplexity', 'bits_per_byte', 'byte_perplexity', 'word_perplexity'] as const)(
    '%s is NaN where nothing is counted',
    (name) => {
      expect(metricOf(name, [{ nll: [1], masks: [0], lengths: [1], bytes: 3, words: 1 }])).toBeNaN();
    },
  );

  test('of bytes and words are ratios of totals', () => {
    const batches = [
      { nll: [1, 3], masks: [1, 0.5], lengths: [2], bytes: 7, words: 2 },
      { nll: [4], masks: [1], lengths: [1], bytes: 3, words: 1 },
    ];
    expect(metricOf('bits_per_byte', batches)).toBe(6.5 / 10 / Math.LN2);
    expect(metricOf('byte_perplexity', batches)).toBe(Math.exp(0.65));
    expect(metricOf('word_perplexity', batches)).toBe(Math.exp(6.5 / 3));
  });
});
