import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../rows.ts';
import { compare } from './compare.ts';
import { exactComparison, exactSequence, relativeError } from './exact.ts';
import type { Sequences } from './exact.ts';

const random = seededRandom(11);
const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Sequences whose sides differ by noise of the given size plus a shift. */
function noisy(lengths: readonly number[], size: number, shift = 0): Sequences {
  return lengths.map((length) =>
    Array.from({ length }, () => {
      const old = -12 * random() - 20 * size - Math.abs(shift);
      return [old, Math.min(0, old + shift + size * normal())] as const;
    }),
  );
}

describe('agrees with 60 digits to 1e-12', () => {
  test.each<readonly [string, Sequences]>([
    ...[1e-8, 1e-6, 1e-4, 0.01, 0.1, 1, 5, 20].map(
      (size) => [`noise of ${size}`, noisy([40, 1, 90, 7], size)] as const,
    ),
    ['a shift down', noisy([50, 50], 1e-3, -0.5)],
    ['a shift up', noisy([50, 50], 1e-3, 0.5)],
    [
      'tokens on which both sides agree',
      [
        [
          [-1, -1],
          [-0.5, -0.25],
          [-3, -3],
        ],
      ],
    ],
    ['float32 values', noisy([30, 30], 0.02).map((s) => s.map(([a, b]) => [Math.fround(a), Math.fround(b)] as const))],
    ['one token', [[[-0.7, -0.3]]]],
    [
      'log-ratios of 300',
      [
        [
          [-300, -1e-3],
          [-1, -301],
          [-2, -2.5],
        ],
      ],
    ],
    [
      'tiny log-probabilities',
      [
        [
          [-1e-20, -3e-20],
          [-1e-300, -1e-10],
        ],
      ],
    ],
    [
      'old far below new',
      [
        [
          [-600, -1],
          [-2, -2.5],
        ],
      ],
    ],
    [
      'positive by rounding',
      [
        [
          [1e-3, -1e-3],
          [-2, 0.01],
        ],
      ],
    ],
  ])('%s', (_what, sequences) => {
    const answer = compare(sequences);
    const exact = exactComparison(sequences);
    const { chi2_token: token, chi2_sequence: sequence, ...others } = exact;
    expect(relativeError(answer, others)).toBeLessThan(1e-12);
    for (const [value, reference] of [
      [answer.chi2_token, token],
      [answer.chi2_sequence, sequence],
    ] as const) {
      if (reference.gt(1.7e308)) expect(value).toBe(Infinity);
      else expect(relativeError(value, reference)).toBeLessThan(1e-12);
    }
    for (const [k, tokens] of sequences.entries()) {
      expect(answer.sequences[k]!.tokens).toBe(tokens.length);
      expect(relativeError(answer.sequences[k], exactSequence(tokens))).toBeLessThan(1e-12);
    }
  });
});

test('equal sides have no divergence, and exactly', () => {
  const { k1, k3, chi2_token, chi2_sequence, effective_sample_size, fraction_outside, perplexity, hint } = compare([
    Array.from({ length: 100 }, (_, k) => [-k / 7, -k / 7] as const),
  ]);
  expect({ k1, k3, chi2_token, chi2_sequence, effective_sample_size, fraction_outside, hint }).toEqual({
    ...{ k1: 0, k3: 0, chi2_token: 0, chi2_sequence: 0, effective_sample_size: 1, fraction_outside: 0 },
    hint: undefined,
  });
  expect(perplexity.old).toBe(perplexity.new);
});

test('ratios are neither clamped nor truncated: what overflows is Infinity, and the others stay numbers', () => {
  const answer = compare([[[-800, 0]], [[-1, -1]]]);
  expect(answer).toMatchObject({ k1: -400, k3: Infinity, chi2_token: Infinity, chi2_sequence: Infinity });
  expect(answer.effective_sample_size).toBe(0.5);
  expect(answer.perplexity).toEqual({ old: Infinity, new: (1 + Math.E) / 2 });
  // verl clamps at exp(20).
  expect(compare([[[-25, 0]]]).chi2_token).toBe(Math.expm1(50));
});

test('a product of ratios may overflow where no ratio does', () => {
  const { chi2_token, chi2_sequence } = compare([Array.from({ length: 10 }, () => [-50, 0] as const)]);
  expect([chi2_token, chi2_sequence]).toEqual([Math.expm1(100), Infinity]);
});

test.each([[[]], [[[], []]]] as Sequences[][])('nothing counted is all null: %j', (sequences) => {
  const { sequences: each, tokens, ...answer } = compare(sequences);
  expect(tokens).toEqual({ total: 0, counted: 0, masked: 0 });
  expect(answer).toEqual({
    ...{ k1: null, k3: null, chi2_token: null, chi2_sequence: null, effective_sample_size: null },
    ...{ mean_absolute_difference: null, fraction_outside: null, perplexity: { old: null, new: null } },
    worst_tokens: [],
  });
  const none = { tokens: 0, log_ratio: null, k1: null, k3: null, perplexity: { old: null, new: null } };
  expect(each).toEqual(sequences.map(() => none));
});

test('sequences without tokens enter no mean', () => {
  const [first, second] = noisy([20, 30], 0.1);
  const { sequences, worst_tokens: worst, ...answer } = compare([first!, second!]);
  const { sequences: all, worst_tokens: placed, ...among } = compare([[], first!, [], [], second!, []]);
  expect(among).toEqual(answer);
  expect([all[1], all[4]]).toEqual(sequences);
  expect(placed).toEqual(worst.map((token) => ({ ...token, sequence: token.sequence === 0 ? 1 : 4 })));
});

test('ratios of exactly 0.9 and 1.1 are not outside, as near as e^r can be to them', () => {
  const outside = (ratio: number): number => compare([[[-1, -1 + Math.log(ratio)]]]).fraction_outside!;
  expect([0.8999, 0.9001, 1.0999, 1.1001].map(outside)).toEqual([1, 0, 0, 1]);
});

describe('worst tokens', () => {
  test('have the greatest |r|, the first of equal ones first, with their places and both sides', () => {
    const { worst_tokens: worst } = compare([
      [
        [-1, -1.5],
        [-1, -1],
      ],
      [],
      [
        [-2, -1],
        [-3, -2],
        [-1, -0.75],
      ],
    ]);
    expect(worst).toEqual([
      { token: 2, sequence: 2, position: 0, old: -2, new: -1, log_ratio: 1 },
      { token: 3, sequence: 2, position: 1, old: -3, new: -2, log_ratio: 1 },
      { token: 0, sequence: 0, position: 0, old: -1, new: -1.5, log_ratio: -0.5 },
      { token: 4, sequence: 2, position: 2, old: -1, new: -0.75, log_ratio: 0.25 },
      { token: 1, sequence: 0, position: 1, old: -1, new: -1, log_ratio: 0 },
    ]);
  });

  test('are those that a sort finds, and 16', () => {
    const sequences = noisy(
      Array.from({ length: 40 }, (_, k) => k),
      0.3,
    );
    const { worst_tokens: worst } = compare(sequences);
    const sorted = sequences.flat().map(([a, b], token) => ({ token, size: Math.abs(b - a) }));
    const expected = sorted.toSorted((a, b) => b.size - a.size || a.token - b.token).slice(0, 16);
    expect(worst.map(({ token }) => token)).toEqual(expected.map(({ token }) => token));
    for (const { token, sequence, position, old, new: trained } of worst) {
      expect([old, trained]).toEqual(sequences[sequence]![position]);
      expect(sequences.slice(0, sequence).flat().length + position).toBe(token);
    }
  });
});

const logprob = fc.double({ min: -60, max: 0, noNaN: true });
const sequencesOf = fc.array(fc.array(fc.tuple(logprob, logprob), { maxLength: 30 }), { minLength: 1, maxLength: 8 });

describe('any order gives the same bits', () => {
  test('of tokens within a sequence', () => {
    fc.assert(
      fc.property(sequencesOf, fc.infiniteStream(fc.nat()), (sequences, keys) => {
        const shuffled = sequences.map((tokens) =>
          tokens
            .map((token) => ({ token, key: keys.next().value! }))
            .toSorted((a, b) => a.key - b.key)
            .map(({ token }) => token),
        );
        const { worst_tokens: _, ...answer } = compare(sequences);
        const { worst_tokens: _others, ...other } = compare(shuffled);
        expect(other).toEqual(answer);
      }),
    );
  });

  test('of sequences', () => {
    fc.assert(
      fc.property(sequencesOf, (sequences) => {
        const { worst_tokens: _, sequences: each, ...answer } = compare(sequences);
        const { worst_tokens: _others, sequences: reversed, ...other } = compare(sequences.toReversed());
        expect(other).toEqual(answer);
        expect(reversed.toReversed()).toEqual(each);
      }),
    );
  });
});

test('a batch said twice has the same means', () => {
  fc.assert(
    fc.property(sequencesOf, (sequences) => {
      const { tokens, worst_tokens: _, sequences: each, ...once } = compare(sequences);
      const twice = compare([...sequences, ...sequences]);
      expect(twice.tokens.counted).toBe(2 * tokens.counted);
      expect(twice.sequences).toEqual([...each, ...each]);
      const { effective_sample_size: size, ...means } = once;
      expect(twice).toMatchObject(means);
      if (size !== null) expect(twice.effective_sample_size).toBeCloseTo(size, 14);
    }),
  );
});

test('the estimators of a whole are the weighted means of those of its parts', () => {
  const [first, second] = [noisy([10, 20], 0.1), noisy([5, 40], 0.1)];
  const parts = [compare(first), compare(second)];
  const whole = compare([...first, ...second]);
  for (const name of ['k1', 'k3', 'chi2_token', 'mean_absolute_difference', 'fraction_outside'] as const) {
    const total = parts.reduce((sum, part) => sum + part[name]! * part.tokens.counted, 0);
    expect(whole[name]).toBeCloseTo(total / whole.tokens.counted, 13);
  }
});
