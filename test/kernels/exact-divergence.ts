/** The oracle of divergences: their definitions, in numbers of 58 decimals. −Infinity is the only logit that is not finite. */
import { ONE, exp, fixed, log, over, times } from './fixed-point.ts';

/** Logits of a reference and of a model, after rounding to their dtypes. */
export interface LogitPair {
  p: ArrayLike<number>;
  q: ArrayLike<number>;
  scale: number;
}

/** A class with its probabilities. Classes with the same two logits are merged, with their count. */
interface PairClass {
  count: bigint;
  p: bigint;
  q: bigint;
  /** Logarithms of both; undefined for 0. */
  lp: bigint | undefined;
  lq: bigint | undefined;
}

/** A row of both sides. */
export class ExactPair {
  readonly #classes = new Map<string, PairClass>();
  readonly #keys: string[];

  constructor({ p, q, scale }: LogitPair) {
    this.#keys = Array.from(p, (x, c) => `${x} ${q[c]!}`);
    const factor = fixed(scale);
    const scaled = (x: number): bigint | undefined => (x === -Infinity ? undefined : times(factor, fixed(x)));
    const [x, y] = [softmax(Array.from(p), scaled), softmax(Array.from(q), scaled)];
    this.#keys.forEach((key, c) => {
      const found = this.#classes.get(key);
      if (found !== undefined) found.count++;
      else this.#classes.set(key, { count: 1n, ...x(p[c]!, 'p', 'lp'), ...y(q[c]!, 'q', 'lq') } as PairClass);
    });
  }

  #sum(valueOf: (pair: PairClass) => bigint): bigint {
    let sum = 0n;
    for (const pair of this.#classes.values()) sum += pair.count * valueOf(pair);
    return sum;
  }

  #perClass(valueOf: (pair: PairClass) => bigint): bigint[] {
    const values = new Map(Array.from(this.#classes, ([key, pair]) => [key, valueOf(pair)]));
    return this.#keys.map((key) => values.get(key)!);
  }

  /** KL(P‖Q); undefined where it is infinite. */
  forwardKl(): bigint | undefined {
    return this.#finite((pair) => pair.lp !== undefined && pair.lq === undefined, relativeEntropy);
  }

  /** KL(Q‖P); undefined where it is infinite. */
  reverseKl(): bigint | undefined {
    return this.#finite(
      (pair) => pair.lq !== undefined && pair.lp === undefined,
      (pair) => (pair.lq === undefined ? 0n : times(pair.q, pair.lq - pair.lp!)),
    );
  }

  #finite(isInfinite: (pair: PairClass) => boolean, valueOf: (pair: PairClass) => bigint): bigint | undefined {
    return [...this.#classes.values()].some(isInfinite) ? undefined : this.#sum(valueOf);
  }

  /** β·KL(P‖M) + (1 − β)·KL(Q‖M) with M = β·P + (1 − β)·Q. */
  jensenShannon(beta: number): bigint {
    const [ofP, ofQ] = [fixed(beta), ONE - fixed(beta)];
    return this.#sum((pair) => {
      const lm = logOfMixture(pair, ofP, ofQ);
      if (lm === undefined) return 0n;
      const own = pair.lp === undefined ? 0n : times(times(ofP, pair.p), pair.lp - lm);
      return own + (pair.lq === undefined ? 0n : times(times(ofQ, pair.q), pair.lq - lm));
    });
  }

  /** Σ p·log(p/q) over the classes with log p > −floor; undefined where it is infinite. */
  truncated(floor: number): bigint | undefined {
    const isKept = isAbove(floor);
    return this.#finite(
      (pair) => isKept(pair) && pair.lq === undefined,
      (pair) => (isKept(pair) ? relativeEntropy(pair) : 0n),
    );
  }

  /** Derivatives of `forwardKl` by the logits of Q, divided by the scale. */
  forwardGradient(): bigint[] {
    return this.#perClass(({ p, q }) => q - p);
  }

  reverseGradient(): bigint[] {
    const divergence = this.reverseKl()!;
    return this.#perClass(({ q, lq, lp }) => (lq === undefined ? 0n : times(q, lq - lp! - divergence)));
  }

  jensenShannonGradient(beta: number): bigint[] {
    const [ofP, ofQ] = [fixed(beta), ONE - fixed(beta)];
    const ratioOf = (pair: PairClass): bigint =>
      pair.lq === undefined ? 0n : pair.lq - (logOfMixture(pair, ofP, ofQ) ?? 0n);
    const mean = this.#sum((pair) => times(pair.q, ratioOf(pair)));
    return this.#perClass((pair) => times(ofQ, times(pair.q, ratioOf(pair) - mean)));
  }

  truncatedGradient(floor: number): bigint[] {
    const isKept = isAbove(floor);
    const mass = this.#sum((pair) => (isKept(pair) ? pair.p : 0n));
    return this.#perClass((pair) => times(mass, pair.q) - (isKept(pair) ? pair.p : 0n));
  }
}

/** @returns function that gives the probability of a logit and its logarithm, under the given names */
function softmax(row: readonly number[], scaled: (x: number) => bigint | undefined) {
  const counts = new Map<number, bigint>();
  for (const x of row) counts.set(x, (counts.get(x) ?? 0n) + 1n);
  const top = scaled([...counts.keys()].reduce((a, b) => Math.max(a, b)))!;
  const relative = new Map(
    Array.from(counts, ([x, count]) => {
      const value = scaled(x);
      return [x, value === undefined ? undefined : { count, distance: value - top, e: exp(value - top) }];
    }),
  );
  let total = 0n;
  for (const found of relative.values()) total += found === undefined ? 0n : found.count * found.e;
  const logTotal = log(total);
  return (x: number, probability: string, logarithm: string) => {
    const found = relative.get(x);
    if (found === undefined) return { [probability]: 0n, [logarithm]: undefined };
    return { [probability]: over(found.e, total), [logarithm]: found.distance - logTotal };
  };
}

/** p·log(p/q) of a class with q > 0, or with p = 0. */
const relativeEntropy = ({ p, lp, lq }: PairClass): bigint => (lp === undefined ? 0n : times(p, lp - lq!));

const isAbove =
  (floor: number) =>
  ({ lp }: PairClass): boolean =>
    lp !== undefined && lp > -fixed(floor);

/** log m; undefined where m is 0 in this arithmetic. */
function logOfMixture({ p, q }: PairClass, ofP: bigint, ofQ: bigint): bigint | undefined {
  const m = times(ofP, p) + times(ofQ, q);
  return m === 0n ? undefined : log(m);
}
