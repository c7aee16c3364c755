/**
 * The oracle: cross-entropy in plain float64 JavaScript, by the definition, without any of the service's code.
 * Slow and obvious on purpose. Inputs are the values after rounding to the wire's dtype.
 */

/** Sum with Neumaier's compensation, so that the oracle's own rounding does not count. */
export function exactSum(values: Iterable<number>): number {
  let sum = 0;
  let compensation = 0;
  for (const value of values) {
    const next = sum + value;
    compensation += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return Number.isFinite(sum) ? sum + compensation : sum;
}

function maximum(row: ArrayLike<number>): number {
  let top = -Infinity;
  for (let c = 0; c < row.length; c++) {
    if (Number.isNaN(row[c])) return Number.NaN;
    top = Math.max(top, row[c]!);
  }
  return top;
}

/** Σ exp(x_c − reference) over all classes except `leftOut`. */
function sumExp(row: ArrayLike<number>, reference: number, leftOut = -1): number {
  let sum = 0;
  let compensation = 0;
  for (let c = 0; c < row.length; c++) {
    if (c === leftOut) continue;
    const value = Math.exp(row[c]! - reference);
    const next = sum + value;
    compensation += sum >= value ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + compensation;
}

/** log Σ exp x: NaN with a NaN in the row, +Inf with a +Inf, −Inf when all are −Inf. */
export function lse(row: ArrayLike<number>): number {
  const top = maximum(row);
  return Number.isFinite(top) ? top + Math.log(sumExp(row, top)) : top;
}

/** −log softmax(x)_y. NaN when the row holds NaN or +Inf, or is −Inf throughout; +Inf when only x_y is −Inf. */
export function nll(row: ArrayLike<number>, y: number): number {
  const top = maximum(row);
  if (!Number.isFinite(top)) return Number.NaN;
  const x = row[y]!;
  if (x === -Infinity) return Infinity;
  // The target's own term is 1: log1p of the rest keeps a confident row's relative accuracy.
  if (x === top) return Math.log1p(sumExp(row, x, y));
  return Math.log(sumExp(row, top)) - (x - top);
}

/** Σ w·(lse − x), where a class of weight 0 adds nothing. Logits are taken relative to their maximum. */
export function uniformNll(row: ArrayLike<number>, weights?: ArrayLike<number>): number {
  const top = maximum(row);
  if (!Number.isFinite(top)) return Number.NaN;
  const total = Math.log(sumExp(row, top));
  return exactSum(
    Array.from(row, (x, c) => {
      const w = weights === undefined ? 1 : weights[c]!;
      return w === 0 ? 0 : w * (total - (x - top));
    }),
  );
}

/** −Σ s·log s of the softmax, with 0·(−∞) = 0. Logits are taken relative to their maximum, where they are exact. */
export function entropy(row: ArrayLike<number>): number {
  const top = maximum(row);
  if (!Number.isFinite(top)) return Number.NaN;
  const total = Math.log(sumExp(row, top));
  const terms = Array.from(row, (x) => x - top - total);
  return exactSum(terms.map((logS) => (logS === -Infinity ? 0 : -Math.exp(logS) * logS)));
}

/** Index of the maximum, the lowest on ties, NaN passed over; 0 when there is nothing else. */
export function prediction(row: ArrayLike<number>): number {
  const top = Array.from(row).reduce((a, b) => (b > a ? b : a), -Infinity);
  return Math.max(0, Array.from(row).indexOf(top));
}

/** Number of classes that come before y when sorted by value, then by index; −1 where x_y is NaN. */
export function targetRank(row: ArrayLike<number>, y: number): number {
  if (Number.isNaN(row[y])) return -1;
  return Array.from(row).filter((x, c) => x > row[y]! || (x === row[y]! && c < y)).length;
}

/** softmax(x); NaN throughout when the row holds NaN or +Inf, or is −Inf throughout. */
function softmax(row: ArrayLike<number>): Float64Array {
  const top = maximum(row);
  const total = sumExp(row, top);
  return Float64Array.from(row, (x) => (Number.isFinite(top) ? Math.exp(x - top) / total : Number.NaN));
}

/** log softmax(x), at the maximum by log1p of the rest: nothing of the size of 1 is subtracted there. */
export function logSoftmax(row: ArrayLike<number>): Float64Array {
  const top = maximum(row);
  const first = Array.from(row).indexOf(top);
  const total = Math.log(sumExp(row, top));
  return Float64Array.from(row, (x, c) => {
    if (!Number.isFinite(top)) return Number.NaN;
    return c === first ? -Math.log1p(sumExp(row, top, c)) : x - top - total;
  });
}

/**
 * The gradient of Σ_c q_c·(lse − x_c) + (z/2)·lse²: g_c = (Σ_k q_k)·s_c − q_c + z·lse·s_c. It is computed as
 * s_c·Σ_{k≠c} q_k − q_c·Σ_{k≠c} s_k + z·lse·s_c, where nothing cancels when only one q is not 0.
 */
export function gradient(row: ArrayLike<number>, q: Float64Array, z = 0): Float64Array {
  const s = softmax(row);
  const total = exactSum(q);
  const ofZ = z === 0 ? 0 : z * lse(row);
  return s.map((own, c) => {
    const others = own < 0.5 ? 1 - own : exactSum(s.with(c, 0));
    return own * (total - q[c]!) - q[c]! * others + ofZ * own;
  });
}
