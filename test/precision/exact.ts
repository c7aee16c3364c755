/**
 * The oracle of the precision suite: the answer to a request in 60-digit arithmetic by the formulas of the documentation,
 * and the promised error of each value. Inputs are the values after rounding to the wire's dtype.
 */
import { Decimal } from 'decimal.js';
import type { KernelDType } from '../../src/tensor/dtype.ts';
import { evaluatedDType } from '../../kernels/transform.ts';
import { promiseOf } from './promises.ts';
import type { Promised } from './promises.ts';
import type { PrecisionRequest } from './requests.ts';

Decimal.set({ precision: 60, toExpNeg: -9e15, toExpPos: 9e15, minE: -9e15, maxE: 9e15 });

/** A value with the bound of its error. */
export interface Expected {
  value: Decimal;
  bound: Decimal;
}

const ZERO = new Decimal(0);
const ONE = new Decimal(1);
const EPSILON = new Decimal(2).pow(-50);
/** The smallest positive float64. Smaller products are rounded to it or to 0. */
const LEAST = new Decimal(2).pow(-1074);
/** About 40 times the smallest positive float64: an absolute error where values lose their digits. */
const SUBNORMAL = new Decimal(2e-322);

/** The exact value of a float64. The Decimal constructor would use the shortest decimal text of the number. */
export function d(value: number): Decimal {
  if (!Number.isFinite(value)) return new Decimal(value);
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const field = Number((bits >> 52n) & 0x7ffn);
  const mantissa = (bits & (2n ** 52n - 1n)) | (field === 0 ? 0n : 2n ** 52n);
  const magnitude = new Decimal(mantissa.toString()).times(powerOfTwo(Math.max(1, field) - 1075));
  return value < 0 ? magnitude.neg() : magnitude;
}

const view = new DataView(new ArrayBuffer(8));
const powers = new Map<number, Decimal>();

function powerOfTwo(exponent: number): Decimal {
  let found = powers.get(exponent);
  if (found === undefined) powers.set(exponent, (found = new Decimal(2).pow(exponent)));
  return found;
}

const sum = (values: Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), ZERO);
const most = (values: Decimal[]): Decimal => values.reduce((a, b) => Decimal.max(a, b), ZERO);

/** Cache of exp for repeated values. */
const exponentials = new Map<string, Decimal>();

function exp(x: Decimal): Decimal {
  if (x.lt(-5000)) return ZERO;
  const key = x.toString();
  let found = exponentials.get(key);
  if (found === undefined) {
    found = x.exp();
    if (exponentials.size > 20_000) exponentials.clear();
    exponentials.set(key, found);
  }
  return found;
}

/** log(1 + x), by its series where 60 digits of 1 + x would lose digits of x. */
function log1p(x: Decimal): Decimal {
  if (x.gt(1e-16)) return x.plus(1).ln();
  const x2 = x.times(x);
  return x.minus(x2.div(2)).plus(x2.times(x).div(3));
}

/** One row, with everything from which its outputs are computed. */
export interface ExactRow {
  x: Decimal[];
  lse: Decimal;
  /** log softmax, negated. */
  nll: Decimal[];
  s: Decimal[];
  /** 1 − s */
  others: Decimal[];
  /** dx / dlogit */
  slope: Decimal[];
  /** Greatest derivative that softcap may have; 0 without softcap. */
  steepest: Decimal;
  entropy: Decimal;
  /** Largest error of each transformed logit in float64. */
  eta: Decimal;
  /** Distance of each logit from the one that softcap in float32 subtracts; 0 without softcap. */
  distance: Decimal[];
  /** Σ s_c·distance_c */
  meanDistance: Decimal;
}

/** tanh 2: the logit that softcap subtracts is at most cap·tanh 2 in magnitude. */
const STEEPEST = d(Math.tanh(2));

function exactRow(logits: Float64Array, { softcap, logit_scale: scale = 1 }: PrecisionRequest['options']): ExactRow {
  const transformed = softcap !== undefined || scale !== 1;
  const slope: Decimal[] = [];
  const x = Array.from(logits, (logit) => {
    const scaled = d(logit).times(d(scale));
    if (softcap === undefined) {
      slope.push(d(scale));
      return scaled;
    }
    // tanh u = (1 − e) / (1 + e) and 1 − tanh² u = 4e / (1 + e)², e = exp(−2|u|).
    const u = scaled.div(d(softcap));
    const e = u.isFinite() ? exp(u.abs().times(-2)) : ZERO;
    slope.push(d(scale).times(4).times(e).div(e.plus(1).pow(2)));
    const capped = ONE.minus(e).div(e.plus(1)).times(d(softcap));
    return u.isNegative() ? capped.neg() : capped;
  });
  const finite = x.filter((value) => value.isFinite());
  const top = finite.reduce((a, b) => Decimal.max(a, b));
  const first = x.findIndex((value) => value.eq(top));
  const e = x.map((value) => (value.isFinite() ? exp(value.minus(top)) : ZERO));
  const rest = sum(e.filter((_, c) => c !== first));
  const S = rest.plus(1);
  const logS = log1p(rest);
  const nll = x.map((value) => (value.isFinite() ? logS.plus(top.minus(value)) : d(Infinity)));
  const s = e.map((value) => value.div(S));
  const greatest = STEEPEST.times(softcap ?? 0);
  const reference = Decimal.max(greatest.neg(), Decimal.min(greatest, top));
  const distance = x.map((value) => (softcap === undefined ? ZERO : value.minus(reference).abs()));
  return {
    ...{ x, s, nll, slope, distance },
    steepest: softcap === undefined ? ZERO : d(scale),
    meanDistance: sum(s.map((value, c) => value.times(distance[c]!))),
    lse: top.plus(logS),
    others: s.map((value, c) => (c === first ? rest.div(S) : ONE.minus(value))),
    entropy: sum(s.map((value, c) => (value.isZero() ? ZERO : value.times(nll[c]!)))),
    eta: transformed
      ? EPSILON.times(most(finite.map((value) => value.abs()))).plus(LEAST.times((softcap ?? 0) + 1))
      : ZERO,
  };
}

/** The answer to a request. It includes quantities that the request does not ask for. */
export interface ExactAnswer {
  rows: ExactRow[];
  counted: boolean[];
  targets: number[];
  numerator: Expected;
  denominator: Expected;
  zLoss: Expected;
  loss: Expected | undefined;
  meanNll: Expected;
  perTokenLoss: Expected[];
  localLosses: Expected[];
  lse: Expected[];
  entropy: Expected[];
  mask: Decimal[];
  totalMask: Decimal;
  gradient: Expected[];
  norm: Expected;
  /** True when a sum leaves the range of float64, even when its quotient does not. */
  overflows: boolean;
  /** True when a coefficient of the gradient leaves that range, even when its elements do not. */
  gradientOverflows: boolean;
}

const MAX = d(Number.MAX_VALUE);

export function exactAnswer(request: PrecisionRequest): ExactAnswer {
  const { rows: N, classes: C, logits, label, options, dtype } = request;
  const { shift = 0, label_smoothing: given = 0, semantics = 'mindformers', lse_square_scale: lambda = 0 } = options;
  const evaluated = evaluatedDType(dtype, { scale: options.logit_scale ?? 1, cap: options.softcap });
  const promise = promiseOf(evaluated === 'float64' ? 'float64' : 'float32');
  const smoothing =
    semantics === 'megatron'
      ? d(given)
          .times(C)
          .div(Math.max(1, C - 1))
      : d(given);
  const weight = Array.from({ length: C }, (_, c) => d(request.weight?.[c] ?? 1));
  const W = sum(weight);
  const soft = 'probabilities' in label ? label.probabilities : undefined;
  const ignored = new Set([options.ignore_index ?? -100].flat());
  const rows = Array.from({ length: N }, (_, r) => exactRow(logits.subarray(r * C, (r + 1) * C), options));
  const kept = Math.max(0, N - shift);
  const mask = Array.from({ length: N }, (_, r) => d(r >= kept ? 0 : (request.mask?.[r + shift] ?? 1)));
  const p = (r: number, c: number): Decimal => d(soft![(r + shift) * C + c]!);
  const targets = Array.from({ length: N }, (_, r) => {
    if (r >= kept) return -1;
    if (!('indices' in label)) {
      const row = Array.from(soft!.subarray((r + shift) * C, (r + shift + 1) * C));
      return row.indexOf(Math.max(...row));
    }
    return label.indices[r + shift]!;
  });
  const counted = targets.map((y, r) => !mask[r]!.isZero() && (soft !== undefined || !ignored.has(y)));

  const losses = rows.map((row, r) =>
    counted[r] ? rowLoss({ row, y: targets[r]!, p: soft && ((c) => p(r, c)), weight, smoothing, promise }) : undefined,
  );
  const over = <T>(value: (r: number) => T): T[] => rows.flatMap((_, r) => (counted[r] ? [value(r)] : []));
  const totalMask = sum(over((r) => mask[r]!));
  const D = sum(over((r) => (soft === undefined ? mask[r]!.times(weight[targets[r]!]!) : mask[r]!)));
  const added = (terms: Expected[]): Expected => ({
    value: sum(terms.map((term) => term.value)),
    bound: sum(terms.map((term) => term.bound.plus(term.value.abs().times(EPSILON)).plus(SUBNORMAL))),
  });
  const times = (m: Decimal, { value, bound }: Expected): Expected => ({
    value: m.times(value),
    bound: m.times(bound),
  });
  const z = rows.map((row): Expected => {
    const bound = row.lse.abs().times(2).times(lseBound(row, promise)).plus(row.lse.pow(2).times(EPSILON));
    return { value: row.lse.pow(2).times(d(lambda)), bound: bound.times(d(lambda)) };
  });
  const lossTerms = over((r) => times(mask[r]!, losses[r]!.loss));
  const zTerms = over((r) => times(mask[r]!, z[r]!));
  const nllTerms = over((r) => times(mask[r]!, losses[r]!.nll));
  const [numerator, zLoss, nll] = [added(lossTerms), added(zTerms), added(nllTerms)];
  const isMean = (options.reduction ?? 'mean') === 'mean' && !options.calculate_per_token_loss;
  const divisor = (denominator: Decimal): Decimal =>
    semantics === 'mindformers'
      ? denominator.plus(1e-8)
      : semantics === 'megatron'
        ? Decimal.max(denominator, 1)
        : denominator;
  const over0 = ({ value, bound }: Expected, denominator: Decimal): Expected => ({
    value: value.div(denominator),
    bound: bound.plus(value.abs().times(EPSILON)).div(denominator),
  });
  const combined =
    isMean && !D.isZero()
      ? added([over0(numerator, divisor(D)), ...(lambda === 0 ? [] : [over0(zLoss, divisor(totalMask))])])
      : added([numerator, zLoss]);
  const perTokenLoss = rows.map((_, r) =>
    counted[r] ? added([times(mask[r]!, losses[r]!.loss), times(mask[r]!, z[r]!)]) : { value: ZERO, bound: ZERO },
  );
  const groups = options.parallel_config?.data_parallel ?? 1;
  const localLosses = Array.from({ length: groups }, (_, g) => {
    const inGroup = over((r) => r).filter((r) => Math.floor((r * groups) / N) === g);
    const total = added(inGroup.map((r) => times(mask[r]!, losses[r]!.loss)));
    return over0(total, sum(inGroup.map((r) => mask[r]!)).plus(1e-8));
  });

  const ofMean = (m: Decimal, denominator: Decimal): Decimal => {
    if (!isMean) return m;
    if (denominator.isZero()) return semantics === 'torch' ? d(Number.NaN) : ZERO;
    return m.div(divisor(denominator));
  };
  const coefficients: Decimal[] = [];
  const gradient = rows.flatMap((row, r) => {
    if (!counted[r]) return row.x.map((): Expected => ({ value: ZERO, bound: ZERO }));
    const ofLoss = ofMean(mask[r]!, D);
    const t = ofLoss.times(ONE.minus(smoothing)).times(soft === undefined ? weight[targets[r]!]! : 1);
    const b = ofLoss.times(smoothing).div(C);
    const z = lambda === 0 ? ZERO : ofMean(mask[r]!, totalMask).times(2).times(d(lambda));
    coefficients.push(soft === undefined ? t : t.times(W), b.times(W), z.times(row.lse));
    return rowGradient({
      ...{ row, y: targets[r]!, p: soft && ((c: number) => p(r, c)) },
      ...{ weight, W, promise, t, b, z },
    });
  });
  const ofRows = over((r) => losses[r]!.loss);
  const bigTerms = [...ofRows, ...lossTerms, ...zTerms, ...nllTerms].map((term) => term.value);
  return {
    ...{ rows, counted, targets, mask, totalMask, numerator, zLoss, perTokenLoss, localLosses, gradient },
    denominator: { value: D, bound: D.times(EPSILON).plus(SUBNORMAL) },
    loss: options.calculate_per_token_loss || options.reduction === 'none' ? undefined : combined,
    meanNll: totalMask.isZero() ? { value: d(Number.NaN), bound: ZERO } : over0(nll, totalMask),
    lse: rows.map((row) => ({ value: row.lse, bound: lseBound(row, promise) })),
    entropy: rows.map((row) => ({
      value: row.entropy,
      bound: d(promise.absolute)
        .plus(row.entropy.times(2).times(row.eta.plus(EPSILON)))
        .plus(
          sum(
            row.s.map((s, c) => (s.isZero() ? ZERO : s.times(row.nll[c]!.plus(row.entropy)).times(row.distance[c]!))),
          ).times(promise.depth),
        ),
    })),
    norm: normOf(gradient, promise),
    gradientOverflows: coefficients.some((value) => value.abs().gt(MAX.div(4))),
    overflows: [D, totalMask, numerator.value, zLoss.value, ...bigTerms].some((value) => value.abs().gt(MAX.div(4))),
  };
}

function lseBound({ lse, eta, meanDistance }: ExactRow, promise: Promised): Decimal {
  const ofDistance = meanDistance.times(promise.depth);
  return eta.plus(promise.absolute).plus(ofDistance).plus(lse.abs().times(EPSILON).div(4));
}

type P = ((c: number) => Decimal) | undefined;

interface LossPlan {
  row: ExactRow;
  y: number;
  p: P;
  weight: Decimal[];
  smoothing: Decimal;
  promise: Promised;
}

/** The nll of a row without weights and smoothing, and its loss with both. */
function rowLoss({ row, y, p, weight, smoothing, promise }: LossPlan): { nll: Expected; loss: Expected } {
  /** Σ v_c·(lse − x_c). Every term has the error of lse and its own rounding error. */
  const crossEntropy = (v: (c: number) => Decimal): Expected => {
    const terms = row.nll
      .map((nll, c) => ({ v: v(c), nll, distance: row.distance[c]!.plus(row.meanDistance) }))
      .filter((term) => !term.v.isZero());
    return {
      value: sum(terms.map((term) => term.v.times(term.nll))),
      bound: sum(
        terms.map((term) =>
          term.v
            .abs()
            .times(row.eta.times(2).plus(promise.absolute).plus(term.nll.times(EPSILON).times(4)))
            .plus(term.v.abs().times(term.distance).times(promise.depth)),
        ),
      ),
    };
  };
  const plus = (a: Expected, b: Expected): Expected => ({ value: a.value.plus(b.value), bound: a.bound.plus(b.bound) });
  const scaled = (factor: Decimal, { value, bound }: Expected): Expected => ({
    value: factor.times(value),
    bound: factor.abs().times(bound.plus(value.abs().times(EPSILON))),
  });
  const uniform = smoothing.isZero()
    ? { value: ZERO, bound: ZERO }
    : scaled(
        smoothing.div(weight.length),
        crossEntropy((c) => weight[c]!),
      );
  if (p !== undefined) {
    const weighted = crossEntropy((c) => weight[c]!.times(p(c)));
    return { nll: crossEntropy(p), loss: plus(scaled(ONE.minus(smoothing), weighted), uniform) };
  }
  const value = row.nll[y]!;
  const relative = Decimal.max(value, promise.least).times(promise.relative);
  const bound = Decimal.min(promise.absolute, relative)
    .plus(value.times(EPSILON))
    .plus(row.others[y]!.times(row.eta).times(2))
    .plus(sum(row.s.map((s, c) => (c === y ? ZERO : s.times(row.distance[c]!)))).times(promise.depth));
  const nll = { value, bound };
  return { nll, loss: plus(scaled(ONE.minus(smoothing).times(weight[y]!), nll), uniform) };
}

interface GradientPlan extends Omit<LossPlan, 'smoothing'> {
  W: Decimal;
  t: Decimal;
  b: Decimal;
  z: Decimal;
}

/**
 * g_c = t·(Σ_k w_k p_k·s_c − w_c p_c) + b·(W·s_c − w_c) + z·lse·s_c, times the slope. The promised error of an element is
 * relative to the magnitudes of its terms, and to the largest element of the row.
 */
function rowGradient({ row, y, p, weight, W, t, b, z, promise }: GradientPlan): Expected[] {
  const mass = p === undefined ? ONE : sum(weight.map((w, c) => w.times(p(c))));
  const others = b.times(W).plus(z.times(row.lse));
  const elements = row.s.map((s, c) => {
    const w = weight[c]!;
    const isTarget = p === undefined && c === y;
    const ofLoss = p === undefined ? (isTarget ? row.others[c]!.neg() : s) : mass.times(s).minus(w.times(p(c)));
    const magnitude = p === undefined ? (isTarget ? row.others[c]! : s) : mass.times(s).plus(w.times(p(c)));
    const prior = b.times(w);
    const size = t.abs().times(magnitude).plus(others.abs().times(s)).plus(prior.abs());
    const floor = isTarget ? promise.targetFloor : promise.floor;
    return { value: t.times(ofLoss).plus(others.times(s)).minus(prior), size, floor };
  });
  const largest = most(elements.map(({ size, value }) => (value.isNaN() ? ZERO : size)));
  const total = t.abs().times(mass).plus(others.abs()).plus(b.abs().times(W));
  return elements.map(({ value, size, floor }, c) => {
    const slope = row.slope[c]!;
    const bound = Decimal.min(largest.times(promise.absolute), size.times(promise.relative))
      .plus(size.times(row.eta.times(4)))
      .plus(size.times(row.distance[c]!.plus(row.meanDistance)).times(promise.depth))
      .plus(total.times(floor));
    return {
      value: value.times(slope),
      bound: bound
        .times(slope)
        .plus(value.times(slope).abs().times(promise.slope))
        .plus(total.times(row.steepest).times(promise.slopeFloor))
        // The coefficients of lse and of the weights are also float64, with an absolute error near the smallest number.
        .plus(SUBNORMAL.times(ONE.plus(row.lse.abs()).plus(W))),
    };
  });
}

function normOf(gradient: Expected[], promise: Promised): Expected {
  const root = (values: Decimal[]): Decimal => sum(values.map((value) => value.times(value))).sqrt();
  const value = root(gradient.map((element) => element.value));
  const bound = root(gradient.map((element) => element.bound));
  return { value, bound: bound.plus(value.abs().times(promise.norm)).plus(SUBNORMAL.times(gradient.length)) };
}

/** Relative and absolute error of rounding to a dtype, and the greatest value of the dtype. */
export const ROUNDING: Record<KernelDType, { relative: number; absolute: number; greatest: number }> = {
  float16: { relative: 2 ** -11, absolute: 2 ** -24, greatest: 65504 },
  bfloat16: { relative: 2 ** -8, absolute: 2 ** -132, greatest: 3.3895313892515355e38 },
  float32: { relative: 2 ** -23, absolute: 2 ** -148, greatest: 3.4028234663852886e38 },
  float64: { relative: 2 ** -52, absolute: 2e-322, greatest: Number.MAX_VALUE },
};
