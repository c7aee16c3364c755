/** A block of logits, and the divergence from the top K classes of a teacher. */
import { DTYPE_BYTES } from '../src/tensor/dtype.ts';
import type { FloatDType } from '../src/tensor/dtype.ts';
import { LEFT_OUT, NO_TARGET } from './abi.ts';
import { readRowBlock } from './bindings.ts';
import type { RowBlock } from './bindings.ts';
import { placedBytes } from './block.ts';
import type { PlacedLogits } from './block.ts';
import { RowBlockLayout } from './layouts.ts';
import { placeElements } from './place.ts';
import type { Elements, KernelMemory } from './place.ts';
import { roundedGradient } from './rounded-gradient.ts';
import { PlacedRows } from './rows.ts';

/** Logits of a model, Q, and the K most probable classes of each row of a teacher, P. */
export interface TopKBlock {
  classes: number;
  /** Class to score per row, NO_TARGET or LEFT_OUT. */
  targets: Int32Array;
  logits: Elements;
  K: number;
  /** (rows, K) classes, distinct within a row, and log p of each. */
  indices: Int32Array;
  logprobs: Float64Array;
  /** `bucket` compares the rest of the vocabulary as one class, `drop` leaves it out. */
  tail: 'bucket' | 'drop';
  /**
   * Probability 1 − Σ p that counts as rounding, and so as 0, where the logits of all other classes are −Infinity; default 0.
   */
  rounding?: number;
}

/** Results of a comparison, an entry per row. */
export interface TopKRows {
  /** NaN where the logits have NaN, +Infinity or no finite one; 0 for rows that are left out. */
  divergence: Float64Array<ArrayBuffer>;
  /**
   * Class of the top K whose term is +Infinity, or the first class outside it when the term of the rest is; −1 without
   * one.
   */
  infinite: Int32Array<ArrayBuffer>;
  logits: RowBlock;
}

/**
 * log q / 4 of the top K of a row and of the rest, from the lse in float64. A quarter is finite for all finite logits;
 * −Infinity stands for a logit of −Infinity.
 */
interface RowLogs {
  top: Float64Array;
  rest: number;
  /** log q = x − origin − logSum. */
  origin: number;
  logSum: number;
  /** log q of a class within the rest = x − restOrigin − restLogSum. */
  restOrigin: number;
  restLogSum: number;
}

/** Bytes of kernel memory for a block, including its gradient if one is requested. */
export function topKBytes(
  rows: number,
  { classes, logits, gradientDType }: { classes: number; logits: FloatDType; gradientDType?: FloatDType | undefined },
): number {
  const gradient = gradientDType === undefined ? 0 : classes * (8 + 2 * DTYPE_BYTES[gradientDType]) + 16;
  const perRow = classes * placedBytes(logits) + RowBlockLayout.bytes + DTYPE_BYTES.int32;
  return rows * (perRow + gradient) + classes * 8 + 2 * RowBlockLayout.bytes;
}

/** Rows of logits in the kernels' memory, until another block is placed or the kernel is released. */
export class PlacedTopK {
  /** Rows as received. */
  readonly logits: PlacedRows;
  readonly #memory: KernelMemory;
  readonly #block: TopKBlock;
  readonly #placed: PlacedLogits;
  readonly #targets: number;
  /** Addresses of one row in float64, its target and its results. */
  readonly #row: number;
  readonly #rowTarget: number;
  readonly #rowResults: number;
  #divergence: Float64Array<ArrayBuffer> | undefined;

  constructor(memory: KernelMemory, block: TopKBlock) {
    const { arena } = memory;
    const { classes, logits, targets } = block;
    const rows = targets.length;
    if (logits.data.byteLength !== rows * classes * DTYPE_BYTES[logits.dtype]) {
      throw new RangeError(
        `a block of ${rows} × ${classes} ${logits.dtype} does not have ${logits.data.byteLength} bytes`,
      );
    }
    this.#memory = memory;
    this.#block = block;
    this.#placed = placeElements(memory, logits.dtype, logits.data);
    this.#targets = arena.copyIn(targets);
    this.#row = arena.allocate(classes * 8);
    this.#rowTarget = arena.copyIn(Int32Array.of(NO_TARGET));
    this.#rowResults = arena.allocate(RowBlockLayout.bytes);
    this.logits = new PlacedRows(memory, this.#placed, {
      rows,
      classes,
      targets: this.#targets,
      received: logits.dtype,
    });
  }

  /**
   * Evaluates the rows and their divergences from the teacher.
   * bucket: Σ [q − p + p·log(p/q)] over the top K and the rest as one class, with p = 1 − Σ p and q the sum of the
   * other classes. drop: Σ p·log(p/q) over the top K, which may be negative.
   */
  compare(): TopKRows {
    const { bindings, arena } = this.#memory;
    const { classes, targets } = this.#block;
    const { dtype, logits } = this.#placed;
    const rows = targets.length;
    const read = arena.temporary(rows * RowBlockLayout.bytes, (results) => {
      const block = { logits, rows, classes, stride: classes, targets: this.#targets };
      bindings.forward(dtype, { ...block, scale: 1, offsets: 0, results });
      return readRowBlock(arena, results, rows);
    });
    const divergence = new Float64Array(rows);
    const infinite = new Int32Array(rows).fill(-1);
    for (let row = 0; row < rows; row++) {
      if (targets[row] === LEFT_OUT) continue;
      if (!Number.isFinite(read.lse[row]!)) {
        divergence[row] = NaN;
        continue;
      }
      const logs = this.#logsOf(row);
      infinite[row] = this.#infiniteClass(row, logs);
      divergence[row] = infinite[row]! < 0 ? this.#divergenceOf(row, logs) : Infinity;
    }
    this.#divergence = divergence;
    return { divergence, infinite, logits: read };
  }

  /**
   * Gradient of the divergences of `compare` with respect to the logits, times a coefficient per row, rounded to a
   * dtype: (rows, classes) elements. bucket: q − p in the top K, and q·(1 − p_rest/q_rest) elsewhere. drop: q·Σp − p.
   * @param into buffer that receives the gradient if it fits; allocation costs more than the copy
   */
  gradient(coefficient: Float64Array, dtype: FloatDType, into?: ArrayBuffer): Uint8Array<ArrayBuffer> {
    const { arena } = this.#memory;
    const { classes, targets } = this.#block;
    const rows = targets.length;
    const divergence = this.#divergence;
    if (divergence === undefined) throw new Error('the gradient follows the comparison');
    return arena.temporary(rows * classes * 8, (gradients) => {
      const scales = arena.copyIn(new Float64Array(rows).fill(1));
      for (let row = 0; row < rows; row++) {
        const at = gradients + row * classes * 8;
        const isLeftOut = targets[row] === LEFT_OUT;
        if (isLeftOut || Number.isNaN(divergence[row]!)) arena.f64(at, classes).fill(isLeftOut ? 0 : NaN);
        else this.#writeGradient(row, coefficient[row]!, at);
      }
      return roundedGradient(this.#memory, { rows, classes, gradients, computed: 'float64', scales }, dtype, into);
    });
  }

  #writeGradient(row: number, coefficient: number, out: number): void {
    const { arena } = this.#memory;
    const { classes, tail } = this.#block;
    const logs = this.#logsOf(row);
    const { indices, logprobs } = this.#topOf(row);
    const ps = logprobs.map(Math.exp);
    const mass = ps.reduce((sum, p) => sum + p, 0);
    const restOfP = this.#restOfP(mass, logs.rest);
    // A rest that counts as rounding adds nothing to the divergence, which then differs from that of drop by a constant.
    const isDropped = tail === 'drop' || (mass < 1 && restOfP === 0);
    const ofRest = isDropped ? { share: mass, isOfRest: false } : restGradient(restOfP, logs.rest);
    const from = this.#keepRest(out);
    const [origin, logSum] = ofRest.isOfRest ? [logs.restOrigin, logs.restLogSum] : [logs.origin, logs.logSum];
    const elements = arena.f64(out, classes);
    if (from === -Infinity) {
      elements.fill(0);
    } else {
      const factor = coefficient * ofRest.share * Math.exp(from - origin - logSum);
      for (let c = 0; c < classes; c++) elements[c]! *= factor;
    }
    indices.forEach((y, k) => {
      const q = Math.exp(4 * logs.top[k]!);
      elements[y] = coefficient * (isDropped ? q * mass - ps[k]! : q - ps[k]!);
    });
  }

  /**
   * Stores the exponentials of the row of `#logsOf`, with 0 for the top K.
   * @returns the logit that they are relative to
   */
  #keepRest(exponentials: number): number {
    const { bindings, arena } = this.#memory;
    const { classes } = this.#block;
    return arena.temporary(8, (origins) => {
      const row = { logits: this.#row, rows: 1, classes, targets: this.#rowTarget, scale: 1 };
      bindings.keep('float64', { ...row, results: this.#rowResults, first: 0, end: 1, exponentials, origins });
      return arena.f64(origins, 1)[0]!;
    });
  }

  /** Evaluates a row in float64. The rest of the vocabulary is summed separately, because 1 − Σ q would cancel. */
  #logsOf(row: number): RowLogs {
    const { bindings, arena } = this.#memory;
    const { classes } = this.#block;
    const { dtype, logits } = this.#placed;
    const { indices } = this.#topOf(row);
    const at = logits + row * classes * DTYPE_BYTES[dtype];
    bindings.transform(dtype, { logits: at, count: classes, scale: 1, cap: 0, out: this.#row });
    const elements = arena.f64(this.#row, classes);
    const top = Float64Array.from(indices, (y) => elements[y]!);
    for (const y of indices) elements[y] = -Infinity;
    const block = { logits: this.#row, rows: 1, classes, stride: classes, targets: this.#rowTarget };
    const results = this.#rowResults;
    bindings.forward('float64', { ...block, scale: 1, offsets: 0, results });
    const reference = arena.f64(results + RowBlockLayout.reference, 1)[0]!;
    const logOfRest = arena.f64(results + RowBlockLayout.logSum, 1)[0]!;
    const origin = top.reduce((most, x) => Math.max(most, x), reference);
    const sum = top.reduce((total, x) => total + Math.exp(x - origin), Math.exp(reference - origin + logOfRest));
    const logSum = Math.log(sum);
    const quarter = (x: number, own: number): number => x / 4 - origin / 4 + own / 4 - logSum / 4;
    return {
      top: top.map((x) => quarter(x, 0)),
      rest: quarter(reference, logOfRest),
      origin,
      logSum,
      restOrigin: reference,
      restLogSum: logOfRest,
    };
  }

  #infiniteClass(row: number, { top, rest }: RowLogs): number {
    const { classes, K, tail } = this.#block;
    const { indices, logprobs } = this.#topOf(row);
    const at = top.findIndex((logQ, k) => logQ === -Infinity && logprobs[k] !== -Infinity);
    if (at >= 0) return indices[at]!;
    if (tail === 'drop' || K === classes || rest !== -Infinity || this.#restOfP(massOf(logprobs), rest) === 0)
      return -1;
    const inTop = new Set(indices);
    let c = 0;
    while (inTop.has(c)) c++;
    return c;
  }

  /**
   * Probability of the rest of P.
   * @param mass of the top K
   * @param rest log q / 4 of the rest
   */
  #restOfP(mass: number, rest: number): number {
    const { rounding = 0 } = this.#block;
    const p = 1 - mass;
    return p > (rest === -Infinity ? rounding : 0) ? p : 0;
  }

  #divergenceOf(row: number, { top, rest }: RowLogs): number {
    const { classes, K, tail } = this.#block;
    const { logprobs } = this.#topOf(row);
    let sum = 0;
    logprobs.forEach((logP, k) => {
      sum += tail === 'drop' ? lossTerm(logP, top[k]!) : term(logP, top[k]!);
    });
    return tail === 'drop' || K === classes ? sum : sum + term(Math.log(this.#restOfP(massOf(logprobs), rest)), rest);
  }

  #topOf(row: number): { indices: Int32Array; logprobs: Float64Array } {
    const { K, indices, logprobs } = this.#block;
    const [from, to] = [row * K, (row + 1) * K];
    return { indices: indices.subarray(from, to), logprobs: logprobs.subarray(from, to) };
  }
}

/** Σ p of the top K of a row. */
const massOf = (logprobs: Float64Array): number => logprobs.reduce((sum, logP) => sum + Math.exp(logP), 0);

/** Value of log(p_rest/q_rest) above which the ratio may overflow, and q_rest − p_rest does not cancel. */
const GREATEST_RATIO = 8;

/**
 * Gradient of a class of the rest as a share of its probability. The share is 1 − p_rest/q_rest of its probability in
 * the vocabulary, by expm1 without cancellation, or q_rest − p_rest of its probability within the rest.
 * @param quarter log q_rest / 4
 */
function restGradient(restOfP: number, quarter: number): { share: number; isOfRest: boolean } {
  if (restOfP === 0) return { share: 1, isOfRest: false };
  const ratio = Math.log(restOfP) - 4 * quarter;
  if (ratio > GREATEST_RATIO) return { share: Math.exp(4 * quarter) - restOfP, isOfRest: true };
  return { share: -Math.expm1(ratio), isOfRest: false };
}

/** p·log(p/q). @param quarter log q / 4 */
function lossTerm(logP: number, quarter: number): number {
  return logP === -Infinity ? 0 : 4 * (Math.exp(logP) * (logP / 4 - quarter));
}

/** q − p − p·d with d = log(q/p): at least 0, and without cancellation for near p and q. @param quarter log q / 4 */
function term(logP: number, quarter: number): number {
  if (logP === -Infinity) return Math.exp(4 * quarter);
  const p = Math.exp(logP);
  const d = 4 * quarter - logP;
  if (d === -Infinity) return 4 * (p * (logP / 4 - quarter));
  if (Math.abs(d) > 0.5) return d > 0 ? Math.exp(4 * quarter) - p - p * d : p * (Math.expm1(d) - d);
  // Σ d^k / k! from k = 2.
  let series = 0;
  for (let k = 18; k >= 2; k--) series = (series * d) / (k + 1) + 1;
  return (p * d * d * series) / 2;
}
