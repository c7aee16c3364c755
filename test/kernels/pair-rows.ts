/** Pairs of rows of logits whose divergence is hard to compute. */
import type { PairBlock } from '../../kernels/pair.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { decode, encode, seededRandom } from '../rows.ts';

export interface PairRow {
  p: number[];
  q: number[];
}

type Random = () => number;
export type PairMaker = (classes: number, random: Random) => PairRow;

const fill = (classes: number, value: (c: number) => number): number[] =>
  Array.from({ length: classes }, (_, c) => value(c));

const normal = (random: Random): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Rows that differ by normal noise. */
const noisy =
  (spread: number, noise: number, offsets: [number, number] = [0, 0]): PairMaker =>
  (classes, random) => {
    const base = fill(classes, () => spread * normal(random));
    return { p: base.map((x) => x + offsets[0]), q: base.map((x) => x + noise * normal(random) + offsets[1]) };
  };

/** A confident row with a class at a depth below its maximum that Q raises until it dominates both divergences. */
const tail =
  (depth: number): PairMaker =>
  (classes, random) => {
    const p = fill(classes, (c) => (c === 0 ? 0.3 * normal(random) : -depth - 8 - random()));
    const q = p.map((x, c) => (c === 0 ? x : x - 0.1 * random()));
    p[classes - 1] = p[0]! - depth - random();
    q[classes - 1] = q[0]! - Math.min(17.4, depth - 4) - random();
    return { p, q };
  };

/** A peak of both sides in the last class, after the classes whose maximum is the reference of the exponentials. */
const latePeak =
  (height: number): PairMaker =>
  (classes, random) => {
    const p = fill(classes, (c) => (c === classes - 1 ? height : normal(random)));
    return { p, q: p.map((x) => x + 0.3 * normal(random)) };
  };

/** Rows of little noise whose divergence comes from a class of probability 3e-6 in the first tile, with a given log ratio. */
const improbable =
  (ratio: number): PairMaker =>
  (classes, random) => {
    const { p, q } = noisy(1, 1e-5)(classes, random);
    const c = Math.min(classes - 1, 16);
    p[c] = Math.log(classes) + 0.5 - 12.7;
    q[c] = p[c] + ratio;
    return { p, q };
  };

/** Two peaks, one of them late: the rounding of its distance from the reference has opposite directions in both sides. */
const roundedApart: PairMaker = (classes) => {
  const unit = 2 ** -24;
  const p = fill(classes, (c) => (c === 400 ? 17.25 : c === 0 ? 0.71875 + 15 * unit : 0.5));
  const noise = (c: number): number => (c === 400 ? 0 : c === 0 ? 2 * unit : c % 2 === 0 ? -0.1943 : 0.1943);
  return { p, q: p.map((x, c) => x + noise(c)) };
};

const swap =
  (make: PairMaker): PairMaker =>
  (classes, random) => {
    const { p, q } = make(classes, random);
    return { p: q, q: p };
  };

/** Rows of finite logits. */
export const FINITE: Readonly<Record<string, PairMaker>> = {
  'independent normal': (classes, random) => ({
    p: fill(classes, () => 3 * normal(random)),
    q: fill(classes, () => 3 * normal(random)),
  }),
  'noise of 1': noisy(3, 1),
  'noise of 0.1': noisy(3, 0.1),
  'noise of 1e-2': noisy(3, 1e-2),
  'noise of 1e-3': noisy(3, 1e-3),
  'noise of 1e-4': noisy(3, 1e-4),
  'noise of 1e-5': noisy(3, 1e-5),
  'flat, noise of 1e-3': noisy(0, 1e-3),
  // Σ p·d²/2 around the limits between which the ways of computing Σ (q − p) change.
  ...Object.fromEntries(
    [8e-4, 1.1e-3, 2.8e-3, 4.2e-3, 5e-3, 8e-3].flatMap((noise) => [
      [`noise of ${noise}`, noisy(2, noise)],
      [`flat, noise of ${noise}`, noisy(0, noise)],
    ]),
  ),
  'rounded in opposite directions': roundedApart,
  'rounded in opposite directions, swapped': swap(roundedApart),
  ...Object.fromEntries(
    [-0.9, -0.14, -0.1, 0.1, 0.14, 0.5, 0.9].map((ratio) => [
      `noise of 1e-5, an improbable class at ${ratio}`,
      improbable(ratio),
    ]),
  ),
  'offsets of ±1e4, noise of 0.02': noisy(3, 0.02, [1e4, -1e4]),
  'offsets of −1e4 and 0, noise of 1': noisy(3, 1, [-1e4, 0]),
  'offsets of 5, noise of 1e-4': noisy(3, 1e-4, [0, 5]),
  // Log ratios below 1, with offsets whose rounding is large or small relative to the divergence.
  ...Object.fromEntries(
    [0.02, 0.1, 0.3].flatMap((noise) =>
      [0, 0.7, 0.95, 1.4, 1.9, 2.1, 20].map((ratio) => [
        `noise of ${noise}, offset of ${ratio} times as much`,
        noisy(3, noise, [-0.7, ratio * noise - 0.7]),
      ]),
    ),
  ),
  'flat, two log ratios': (classes, random) => ({
    p: fill(classes, () => 7.3),
    q: fill(classes, () => (random() < 0.5 ? 7.1 : 7.4)),
  }),
  'noise of 0.2, one class far apart': (classes, random) => {
    const { p, q } = noisy(3, 0.2)(classes, random);
    q[classes >> 1]! -= 4;
    return { p, q };
  },
  'peaks at different classes': (classes, random) => ({
    p: fill(classes, (c) => (c === 0 ? 30 : normal(random))),
    q: fill(classes, (c) => (c === classes - 1 ? 30 : normal(random))),
  }),
  'divergence of 50': (classes, random) => ({
    p: fill(classes, (c) => (c === 0 ? 55 : normal(random))),
    q: fill(classes, (c) => (c === classes - 1 ? 50 : normal(random))),
  }),
  'uniform in ±10': (classes, random) => ({
    p: fill(classes, () => 20 * random() - 10),
    q: fill(classes, () => 20 * random() - 10),
  }),
  'P confident, Q flat': (classes, random) => ({
    p: fill(classes, (c) => (c === classes >> 1 ? 25 : normal(random))),
    q: fill(classes, () => 0.01 * normal(random)),
  }),
  'both confident alike': (classes, random) => {
    const p = fill(classes, (c) => (c === classes >> 1 ? 20 : normal(random)));
    return { p, q: p.map((x) => x + 0.05 * normal(random)) };
  },
  'ratios beside the limits of the series': (classes, random) => ({
    p: fill(classes, () => normal(random)).map((x) => Math.round(16 * x) / 16),
    q: fill(classes, (c) => [0.5, -0.5, 1, -1, 8, -8, 0][c % 7]! + 1e-3 * normal(random)),
  }),
  'peak of 15 at the end': latePeak(15.3),
  'peak of 21 at the end': latePeak(21.3),
  'peak of 30 at the end': latePeak(30.3),
  'one class moved in a flat row': (classes) => ({
    p: fill(classes, () => 0),
    q: fill(classes, (c) => (c === 0 ? 0.125 : 0)),
  }),
  ...Object.fromEntries(
    [15, 30, 40, 60, 87, 100, 200].flatMap((depth) => [
      [`a class at depth ${depth} that Q raises`, tail(depth)],
      [`a class at depth ${depth} that Q lowers`, swap(tail(depth))],
    ]),
  ),
};

/** Rows with −Infinity. */
export const WITH_NEG_INF: Readonly<Record<string, PairMaker>> = {
  '−Inf in P': (classes, random) => {
    const { p, q } = noisy(3, 0.5)(classes, random);
    return { p: p.map((x, c) => (c % 3 === 1 ? -Infinity : x)), q };
  },
  '−Inf in Q': (classes, random) => {
    const { p, q } = noisy(3, 0.5)(classes, random);
    return { p, q: q.map((x, c) => (c % 3 === 1 ? -Infinity : x)) };
  },
  '−Inf in both': (classes, random) => {
    const { p, q } = noisy(3, 0.5)(classes, random);
    const masked = (row: number[]): number[] => row.map((x, c) => (c % 3 === 1 ? -Infinity : x));
    return { p: masked(p), q: masked(q) };
  },
  '−Inf in both, near': (classes, random) => {
    const { p, q } = noisy(3, 1e-3)(classes, random);
    const masked = (row: number[]): number[] => row.map((x, c) => (c % 3 === 1 ? -Infinity : x));
    return { p: masked(p), q: masked(q) };
  },
  '−Inf at different classes': (classes, random) => ({
    p: fill(classes, (c) => (c % 4 === 1 ? -Infinity : normal(random))),
    q: fill(classes, (c) => (c % 4 === 2 ? -Infinity : normal(random))),
  }),
  '−Inf in P beyond the first 256': (classes, random) => {
    const { p, q } = noisy(1, 0.5)(classes, random);
    return { p: p.map((x, c) => (c >= 256 && c % 2 === 1 ? -Infinity : x)), q };
  },
};

/** Makes a row of each kind, the same in every run. */
export function makePairs(kinds: Readonly<Record<string, PairMaker>>, classes: number): (PairRow & { kind: string })[] {
  const random = seededRandom(classes);
  return Object.entries(kinds).map(([kind, make]) => ({ kind, ...make(classes, random) }));
}

/** Dtypes of a reference and of logits. */
export type PairDTypes = readonly [reference: FloatDType, logits: FloatDType];

/** Rows after rounding to their dtypes. */
export interface RoundedPair {
  kind: string;
  p: Float64Array;
  q: Float64Array;
}

/** Rounds rows, and drops rows that a dtype cannot represent: float8 has no finite value for large logits. */
export function roundedPairs(
  rows: readonly (PairRow & { kind: string })[],
  [reference, logits]: PairDTypes,
): RoundedPair[] {
  const isLess = (row: Float64Array): boolean => row.every((x) => x < Infinity) && row.some((x) => x > -Infinity);
  return rows
    .map(({ kind, p, q }) => ({
      kind,
      p: decode(reference, encode(reference, p)),
      q: decode(logits, encode(logits, q)),
    }))
    .filter(({ p, q }) => isLess(p) && isLess(q));
}

/** A block of rounded rows. */
export function blockOf(
  rows: readonly Pick<RoundedPair, 'p' | 'q'>[],
  [reference, logits]: PairDTypes,
  { scale = 1, targets }: { scale?: number; targets?: (row: number) => number } = {},
): PairBlock {
  const classes = rows[0]!.p.length;
  return {
    classes,
    targets: Int32Array.from(rows, (_, row) => targets?.(row) ?? (row * 7) % classes),
    logits: { dtype: logits, data: Buffer.concat(rows.map(({ q }) => encode(logits, q))) },
    reference: { dtype: reference, data: Buffer.concat(rows.map(({ p }) => encode(reference, p))) },
    scale,
  };
}
