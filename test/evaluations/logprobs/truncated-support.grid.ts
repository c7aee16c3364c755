/** The hint on sampled pairs: the sampler's distribution is a cut, heated or noisy copy of the trainer's. */
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../rows.ts';
import { compare } from './compare.ts';

const CLASSES = 400;
const TOKENS = 400;

/** Kinds of distributions of a language model, from flat to nearly certain. */
const CONFIDENCES = ['flat', 'mixed', 'peaked'] as const;
const SHARPNESS = { flat: -0.7, mixed: 0, peaked: 0.7 };
type Confidence = (typeof CONFIDENCES)[number];

interface Pair {
  readonly confidence: Confidence;
  /** Standard deviation of the noise of the trainer's log-probability. */
  readonly noise: number;
  /** Makes the sampler's distribution from the trainer's. */
  readonly sampler: (p: readonly number[], normal: () => number) => number[];
  readonly shift?: number;
}

/** The hint on tokens that the sampler draws. */
function hintOf({ confidence, noise, sampler, shift = 0 }: Pair, seed = 1, tokens = TOKENS): string | undefined {
  const random = seededRandom(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const pairs = Array.from({ length: tokens }, () => {
    const scale = 2 * Math.exp(SHARPNESS[confidence] + normal());
    const p = normalised(Array.from({ length: CLASSES }, () => Math.exp(scale * normal())));
    const q = sampler(p, normal);
    let rest = random();
    const at = q.findIndex((share) => share > 0 && (rest -= share) <= 0);
    const token = at < 0 ? q.indexOf(Math.max(...q)) : at;
    return [Math.log(q[token]!), Math.min(0.01, Math.log(p[token]!) + shift + noise * normal())] as const;
  });
  return compare([pairs]).hint;
}

function normalised(shares: readonly number[]): number[] {
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

const same = (p: readonly number[]): number[] => [...p];

/** Keeps the most probable classes until their mass is at least `mass`. */
const topP = (mass: number) => (p: readonly number[]) => {
  let before = 0;
  const kept = new Set<number>();
  for (const c of descending(p)) {
    if (before >= mass) break;
    kept.add(c);
    before += p[c]!;
  }
  return normalised(p.map((share, c) => (kept.has(c) ? share : 0)));
};

const topK = (count: number) => (p: readonly number[]) => {
  const kept = new Set(descending(p).slice(0, count));
  return normalised(p.map((share, c) => (kept.has(c) ? share : 0)));
};

const heated = (temperature: number) => (p: readonly number[]) =>
  normalised(p.map((share) => share ** (1 / temperature)));

const otherModel = (size: number) => (p: readonly number[], normal: () => number) =>
  normalised(p.map((share) => share * Math.exp(size * normal())));

const descending = (p: readonly number[]): number[] => p.map((_, c) => c).toSorted((a, b) => p[b]! - p[a]!);

describe('a truncated support is recognised', () => {
  const cuts = [
    ...[0.5, 0.8, 0.9, 0.95].map((p) => ({ what: `top-p ${p}`, sampler: topP(p), noises: [0.001, 0.01, 0.02] })),
    // In a peaked model, 20 of 400 classes have nearly all of the mass.
    ...[5, 20, 40].map((k) => ({ what: `top-k ${k}`, sampler: topK(k), noises: [0.001, 0.01] })),
  ];
  const cases = CONFIDENCES.flatMap((confidence) =>
    cuts.flatMap(({ noises, ...cut }) => noises.map((noise) => ({ ...cut, noise, confidence }))),
  );
  test.each(cases)('$what of a $confidence model with noise of $noise', (pair) => {
    for (const seed of [1, 2, 3]) expect(hintOf(pair, seed)).toBe('renormalised_support');
  });
});

describe('an honest pair is not', () => {
  const noisy = [0, 0.01, 0.03, 0.1, 0.3].map((noise) => ({ what: 'the same model', noise, sampler: same }));
  const shifted = [0.02, 0.05, 0.2].map((shift) => ({
    what: `a shift of ${shift}`,
    noise: 0.01,
    sampler: same,
    shift,
  }));
  const others = [
    ...[0.6, 0.8, 0.9, 1.2, 1.5].map((t) => ({ what: `temperature ${t}`, noise: 0.01, sampler: heated(t) })),
    ...[0.05, 0.3, 1].map((size) => ({ what: `another model, by ${size}`, noise: 0.01, sampler: otherModel(size) })),
  ];
  const cases = CONFIDENCES.flatMap((confidence) =>
    [...noisy, ...shifted, ...others].map((pair) => ({ ...pair, confidence })),
  );
  test.each(cases)('$what, $confidence, with noise of $noise', (pair) => {
    for (const seed of [1, 2, 3]) expect(hintOf(pair, seed)).toBeUndefined();
  });
});
