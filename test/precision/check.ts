/** Compares an answer of the service with the answer of the oracle, value by value. */
import type { Decimal } from 'decimal.js';
import { ROUNDING, d } from './exact.ts';
import type { ExactAnswer, ExactRow, Expected } from './exact.ts';
import type { PrecisionRequest } from './requests.ts';
import type { KernelDType } from '../../src/tensor/dtype.ts';

/** An answer with its numbers and tensors in the same form for every format. */
export interface Received {
  fields: Record<string, number>;
  metrics: Record<string, number>;
  outputs: Record<string, ArrayLike<number>>;
  gradientDType: KernelDType;
  norm: number | undefined;
  localLosses: number[] | undefined;
  maximum: number | undefined;
}

/** Messages about values whose errors exceed the promise, one for each value. */
export function violationsOf(request: PrecisionRequest, exact: ExactAnswer, received: Received): string[] {
  const wrong: string[] = [];
  const compare = (what: string, got: number | undefined, expected: Expected): void => {
    if (!isWithin(got, expected)) {
      wrong.push(`${what} is ${got}, expected ${expected.value.toPrecision(20)} ± ${expected.bound.toPrecision(2)}`);
    }
  };
  const same = (what: string, got: unknown, expected: unknown): void => {
    if (got !== expected) wrong.push(`${what} is ${String(got)}, expected ${String(expected)}`);
  };
  const { fields, metrics, outputs } = received;
  if (!exact.overflows) {
    compare('numerator', fields['numerator'], exact.numerator);
    compare('denominator', fields['denominator'], exact.denominator);
    compare('z_loss', fields['z_loss'], exact.zLoss);
    compare('mean_nll', fields['mean_nll'], exact.meanNll);
    if (exact.loss !== undefined && !exact.denominator.value.isZero()) compare('loss', fields['loss'], exact.loss);
    compareMetrics(exact, metrics, compare);
    (received.localLosses ?? []).forEach((loss, g) => compare(`local_losses[${g}]`, loss, exact.localLosses[g]!));
  }
  const column = (name: string, expected: Expected[]): void => {
    const values = outputs[name];
    if (values === undefined) return;
    for (let r = 0; r < values.length; r++) compare(`${name}[${r}]`, values[r], expected[r]!);
  };
  if (!exact.overflows) column('per_token_loss', exact.perTokenLoss);
  column('lse', exact.lse);
  column('entropy', exact.entropy);
  const { predictions, target_rank: ranks } = outputs;
  for (let r = 0; r < (predictions?.length ?? 0); r++) {
    const row = exact.rows[r]!;
    const top = row.x.reduce((a, b) => (b.gt(a) ? b : a));
    const isTop = top.minus(row.x[predictions![r]!]!).lte(row.eta.times(2));
    if (!isTop) wrong.push(`predictions[${r}] is ${predictions![r]}, whose logit is not the greatest`);
    if (row.eta.isZero())
      same(
        `predictions[${r}]`,
        predictions![r],
        row.x.findIndex((x) => x.eq(top)),
      );
  }
  for (let r = 0; r < (ranks?.length ?? 0); r++) {
    const [low, high] = exact.counted[r] ? rankRange(exact.rows[r]!, exact.targets[r]!) : [-1, -1];
    if (ranks![r]! < low || ranks![r]! > high)
      wrong.push(`target_rank[${r}] is ${ranks![r]}, expected ${low} … ${high}`);
  }
  if (!exact.gradientOverflows) {
    if (outputs['gradient'] !== undefined) compareGradient(exact, received, compare);
    if (received.norm !== undefined) compare('gradient norm', received.norm, exact.norm);
  }
  const finite = exact.counted.flatMap((counted, r) =>
    counted ? Array.from(request.logits.subarray(r * request.classes, (r + 1) * request.classes)) : [],
  );
  const maximum = finite.filter(Number.isFinite).reduce((a, b) => Math.max(a, b), -Infinity);
  if (maximum !== -Infinity) same('logits.max', received.maximum, maximum + 0);
  return wrong;
}

function isWithin(got: number | undefined, { value, bound }: Expected): boolean {
  if (got === undefined) return false;
  if (value.isNaN()) return Number.isNaN(got);
  if (!value.isFinite()) return got === value.toNumber();
  return (
    mayOverflow(got, { value, bound }, Number.MAX_VALUE) ||
    (Number.isFinite(got) && d(got).minus(value).abs().lte(bound))
  );
}

/** True for an infinite result when the value plus its error bound exceeds the range of the dtype. */
function mayOverflow(got: number, { value, bound }: Expected, greatest: number): boolean {
  return Math.abs(got) === Infinity && value.times(Math.sign(got)).plus(bound).gt(greatest);
}

type Compare = (what: string, got: number | undefined, expected: Expected) => void;

/** Range of the ranks that a label may have: rounding of transformed logits may swap near ones. */
function rankRange({ x, eta }: ExactRow, y: number): [number, number] {
  const own = x[y]!;
  const near = eta.times(4);
  const before = x.filter((value, c) => c !== y && value.minus(own).gt(near)).length;
  const ties = x.filter((value, c) => {
    if (c === y || value.minus(own).abs().gt(near)) return false;
    return !eta.isZero() || c < y;
  }).length;
  return eta.isZero() ? [before + ties, before + ties] : [before, before + ties];
}

function compareMetrics(exact: ExactAnswer, metrics: Record<string, number>, compare: Compare): void {
  const { rows, counted, targets, mask, totalMask, meanNll } = exact;
  if (totalMask.isZero()) return;
  const tiny = d(1e-14);
  const mean = (terms: Decimal[]): Decimal => terms.reduce((total, term) => total.plus(term), d(0)).div(totalMask);
  const over = (value: (r: number) => Decimal): Decimal[] =>
    rows.flatMap((_, r) => (counted[r] ? [mask[r]!.times(value(r))] : []));
  if (meanNll.value.isFinite() && meanNll.value.lt(700)) {
    const perplexity = meanNll.value.exp();
    compare('perplexity', metrics['perplexity'], {
      value: perplexity,
      bound: perplexity.times(meanNll.bound.times(1.01).plus(meanNll.value.plus(1).times(1e-15))),
    });
    const bits = meanNll.value.div(d(2).ln());
    compare('bits_per_token', metrics['bits_per_token'], {
      value: bits,
      bound: meanNll.bound.times(1.5).plus(bits.times(1e-15)),
    });
  }
  const ranks = rows.map((row, r) => (counted[r] ? rankRange(row, targets[r]!) : ([-1, -1] as const)));
  const within = (most: number, name: string): void => {
    if (metrics[name] === undefined) return;
    const least = mean(over((r) => d(ranks[r]![1] < most ? 1 : 0)));
    const greatest = mean(over((r) => d(ranks[r]![0] < most ? 1 : 0)));
    const value = least.plus(greatest).div(2);
    compare(name, metrics[name], { value, bound: greatest.minus(least).div(2).plus(tiny) });
  };
  within(1, 'accuracy');
  within(5, 'top5_accuracy');
  if (metrics['mean_entropy'] !== undefined) {
    compare('mean_entropy', metrics['mean_entropy'], {
      value: mean(over((r) => exact.entropy[r]!.value)),
      bound: mean(over((r) => exact.entropy[r]!.bound)).plus(mean(over((r) => exact.entropy[r]!.value)).times(tiny)),
    });
  }
  if (metrics['ece'] !== undefined) compare('ece', metrics['ece'], calibrationError(exact, ranks, mean));
}

/** ECE. Its bound allows for a neighbouring bin when the confidence is near an edge, and for near logits that swap. */
function calibrationError(
  { rows, counted, mask }: ExactAnswer,
  ranks: (readonly [number, number])[],
  mean: (terms: Decimal[]) => Decimal,
): Expected {
  const gaps = Array.from({ length: 15 }, () => d(0));
  const doubts: Decimal[] = [];
  rows.forEach((row, r) => {
    if (!counted[r]) return;
    const confidence = row.s.reduce((a, b) => (b.gt(a) ? b : a));
    const m = mask[r]!;
    const place = confidence.times(15);
    const bin = Math.min(15, Math.max(1, place.ceil().toNumber())) - 1;
    gaps[bin] = gaps[bin]!.plus(m.times(d(ranks[r]![0] === 0 ? 1 : 0).minus(confidence)));
    const error = confidence.times(row.eta.times(4).plus(2e-6));
    const isNearEdge = place.minus(place.round()).abs().lte(error.times(20));
    doubts.push(m.times(isNearEdge || ranks[r]![0] !== ranks[r]![1] ? d(2) : error));
  });
  const value = mean(gaps.map((gap) => gap.abs()));
  return { value, bound: mean(doubts).plus(1e-14) };
}

function compareGradient(exact: ExactAnswer, { outputs, gradientDType }: Received, compare: Compare): void {
  const values = outputs['gradient']!;
  const { relative, absolute, greatest } = ROUNDING[gradientDType];
  exact.gradient.forEach(({ value, bound }, c) => {
    const rounded = bound.plus(value.abs().times(relative)).plus(absolute);
    const got = values[c]!;
    if (!mayOverflow(got, { value, bound: rounded }, greatest))
      compare(`gradient[${c}]`, got, { value, bound: rounded });
  });
}
