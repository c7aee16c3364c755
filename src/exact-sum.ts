/**
 * Sum of float64 values that is rounded only once, at the end. The order of the terms does not affect it, and it can be
 * stored and continued. Its parts do not overlap, and their number stays small for any number of terms (Shewchuk 1997,
 * like Python's math.fsum). Non-finite terms are summed separately by the rules of IEEE 754.
 */
export class ExactSum {
  readonly #parts: number[];
  #nonFinite: number;

  private constructor(parts: number[], nonFinite: number) {
    this.#parts = parts;
    this.#nonFinite = nonFinite;
  }

  static of(values: Iterable<number> = []): ExactSum {
    const sum = new ExactSum([], 0);
    for (const value of values) sum.add(value);
    return sum;
  }

  /** Restores a stored sum. */
  static from(bytes: Uint8Array): ExactSum {
    const [nonFinite, ...parts] = new Float64Array(new Uint8Array(bytes).buffer);
    return new ExactSum(parts, nonFinite!);
  }

  /** Form in which the sum is stored. */
  toBytes(): Uint8Array {
    return new Uint8Array(Float64Array.of(this.#nonFinite, ...this.#parts).buffer);
  }

  add(value: number): void {
    if (!Number.isFinite(value)) {
      this.#nonFinite += value;
      return;
    }
    let high = value;
    let kept = 0;
    for (const part of this.#parts) {
      const [large, small] = Math.abs(high) < Math.abs(part) ? [part, high] : [high, part];
      high = large + small;
      if (!Number.isFinite(high)) {
        // The sum has left the range of float64: its parts no longer matter.
        this.#nonFinite += high;
        this.#parts.length = 0;
        return;
      }
      const low = small - (high - large);
      if (low !== 0) this.#parts[kept++] = low;
    }
    this.#parts.length = kept;
    this.#parts.push(high);
  }

  /** Adds a·b without rounding it, unless it leaves the range of float64. */
  addProduct(a: number, b: number): void {
    const product = a * b;
    this.add(product);
    const error = productError(a, b, product);
    if (error !== 0) this.add(error);
  }

  /** Adds all terms of another sum, each times a finite factor. */
  includeProduct(other: ExactSum, factor: number): void {
    for (const part of other.#parts) this.addProduct(part, factor);
    if (other.#nonFinite !== 0) this.#nonFinite += other.#nonFinite * factor;
  }

  /** Adds all terms of another sum. */
  include(other: ExactSum): void {
    for (const part of other.#parts) this.add(part);
    this.#nonFinite += other.#nonFinite;
  }

  get value(): number {
    if (this.#nonFinite !== 0) return this.#nonFinite;
    const parts = this.#parts;
    let at = parts.length - 1;
    if (at < 0) return 0;
    let high = parts[at]!;
    let low = 0;
    while (at > 0 && low === 0) {
      const large = high;
      const small = parts[--at]!;
      high = large + small;
      low = small - (high - large);
    }
    // Halfway between two numbers, the lower parts decide the rounding.
    const below = at > 0 ? parts[at - 1]! : 0;
    if ((low < 0 && below < 0) || (low > 0 && below > 0)) {
      const doubled = low * 2;
      const next = high + doubled;
      if (doubled === next - high) high = next;
    }
    return high;
  }
}

/** Dekker's factor for float64: it splits the 53 bits of a significand into two halves of 26 bits. */
const SPLITTER = 2 ** 27 + 1;

/** Magnitude above which the split of a factor would overflow. */
const MOST_SPLIT = 2 ** 995;

/** Rounding error of a product: the exact product is product + error (Dekker 1971). 0 when it cannot be computed. */
function productError(a: number, b: number, product: number): number {
  if (!(Math.abs(a) < MOST_SPLIT && Math.abs(b) < MOST_SPLIT && Math.abs(product) < Infinity)) return 0;
  const [highA, highB] = [highPart(a), highPart(b)];
  const [lowA, lowB] = [a - highA, b - highB];
  return lowA * lowB - (product - highA * highB - lowA * highB - highA * lowB);
}

function highPart(x: number): number {
  const scaled = SPLITTER * x;
  return scaled - (scaled - x);
}
