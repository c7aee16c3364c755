/**
 * The oracle of comparisons of log-probabilities: the formulas of the literature by their definitions, in 60-digit
 * arithmetic, without any of the service's code.
 * k1, k3: http://joschu.net/blog/kl-approx.html; χ², effective sample size: importance sampling by old.
 */
import type { Decimal } from 'decimal.js';
import { d } from '../../precision/exact.ts';

/** Log-probabilities of sequences, of counted tokens only. */
export type Sequences = readonly (readonly (readonly [old: number, trained: number])[])[];

const ZERO = d(0);
const sum = (values: readonly Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), ZERO);
const mean = (values: readonly Decimal[]): Decimal => sum(values).div(values.length);

/** The estimators over all tokens. */
export function exactComparison(sequences: Sequences) {
  const counted = sequences.filter((tokens) => tokens.length > 0);
  const ratiosOf = counted.map((tokens) => tokens.map(([old, trained]) => d(trained).minus(d(old))));
  const r = ratiosOf.flat();
  const rho = r.map((x) => x.exp());
  const squares = rho.map((x) => x.times(x));
  const perplexityOf = (side: 0 | 1): Decimal =>
    mean(
      counted.map((tokens) =>
        mean(tokens.map((token) => d(token[side])))
          .neg()
          .exp(),
      ),
    );
  return {
    k1: mean(r).neg(),
    k3: mean(r.map((x, k) => rho[k]!.minus(1).minus(x))),
    chi2_token: mean(squares).minus(1),
    chi2_sequence: mean(ratiosOf.map((each) => each.reduce((p, x) => p.times(x.exp()), d(1)).pow(2))).minus(1),
    effective_sample_size: sum(rho).pow(2).div(sum(squares).times(r.length)),
    mean_absolute_difference: mean(r.map((x) => x.abs())),
    fraction_outside: d(rho.filter((x) => x.lt(0.9) || x.gt(1.1)).length).div(r.length),
    perplexity: { old: perplexityOf(0), new: perplexityOf(1) },
  };
}

/** The estimators of a sequence. */
export function exactSequence(tokens: Sequences[number]) {
  const { k1, k3, perplexity } = exactComparison([tokens]);
  return { k1, k3, perplexity, log_ratio: sum(tokens.map(([old, trained]) => d(trained).minus(d(old)))) };
}

/** Largest relative error of the numbers in a value. For an exact zero it is the absolute error. */
export function relativeError(value: unknown, exact: unknown): number {
  if (typeof value !== 'number') {
    const names = Object.keys(exact as object).filter((name) => name in (value as object));
    return Math.max(
      ...names.map((name) =>
        relativeError((value as Record<string, unknown>)[name], (exact as Record<string, unknown>)[name]),
      ),
    );
  }
  const reference = exact as Decimal;
  const error = d(value).minus(reference).abs();
  return reference.isZero() ? error.toNumber() : error.div(reference.abs()).toNumber();
}
