import { ExactSum } from '../exact-sum.ts';
import { statistic } from './statistic.ts';
import type { Sums } from './statistic.ts';

/** Width of a scale, in powers of two. Masks of one scale share their moments; the squares of scaled masks do not overflow. */
const SCALE_BITS = 256;

/** Maximum |scale|: powers of two beyond it are outside of the range of float64. */
const MOST_SCALE = 3;

/** Scale of a mask m: m / 2^(256·scale) is in [2^−306, 2^256]. */
function scaleOf(m: number): number {
  if (!(m > 0 && m < Infinity)) return 0;
  return Math.max(-MOST_SCALE, Math.min(MOST_SCALE, Math.round(Math.log2(m) / SCALE_BITS)));
}

/** Moments A = Σ (m·x)², B = Σ (m·x)·m and C = Σ m² for masks m of one scale, divided by that scale. */
class Moments {
  readonly A = ExactSum.of();
  readonly B = ExactSum.of();
  readonly C = ExactSum.of();

  save() {
    return { A: this.A.toBytes(), B: this.B.toBytes(), C: this.C.toBytes() };
  }

  append({ A, B, C }: ReturnType<Moments['save']>): void {
    this.A.include(ExactSum.from(A));
    this.B.include(ExactSum.from(B));
    this.C.include(ExactSum.from(C));
  }

  /** Σ m²(x−μ)² = A − 2μ·B + μ²·C. The moments are exact sums, so no digits are lost when they cancel. */
  around(mean: number): ExactSum {
    const squares = ExactSum.of();
    squares.include(this.A);
    squares.includeProduct(this.B, -2 * mean);
    const ofC = ExactSum.of();
    ofC.includeProduct(this.C, mean);
    squares.includeProduct(ofC, mean);
    return squares;
  }
}

/** Standard error √(n/(n−1)·Σ m²(x−μ)²) / Σ m of the mean μ of x over n counted rows. */
class ErrorSums implements Sums {
  readonly #moments = new Map<number, Moments>();
  readonly #numerator = ExactSum.of();
  readonly #denominator = ExactSum.of();
  #n = 0;

  adder({ nll }: { nll: Float64Array }) {
    return (row: number, m: number): void => {
      const x = nll[row]!;
      this.#n++;
      this.#numerator.add(m * x);
      this.#denominator.add(m);
      const scale = scaleOf(m);
      const { A, B, C } = this.#of(scale);
      const scaled = m * 2 ** (-SCALE_BITS * scale);
      const mx = scaled * x;
      A.addProduct(mx, mx);
      B.addProduct(mx, scaled);
      C.addProduct(scaled, scaled);
    };
  }

  save() {
    return {
      n: this.#n,
      numerator: this.#numerator.toBytes(),
      denominator: this.#denominator.toBytes(),
      moments: Array.from(this.#moments, ([scale, moments]) => ({ scale, ...moments.save() })),
    };
  }

  append({ n, numerator, denominator, moments }: ReturnType<ErrorSums['save']>): void {
    this.#n += n;
    this.#numerator.include(ExactSum.from(numerator));
    this.#denominator.include(ExactSum.from(denominator));
    for (const { scale, ...saved } of moments) this.#of(scale).append(saved);
  }

  /** NaN for fewer than two rows, and when the mean is not finite. */
  get error(): number {
    const n = this.#n;
    const weight = this.#denominator.value;
    const mean = this.#numerator.value / weight;
    if (n < 2 || !Number.isFinite(mean)) return Number.NaN;
    const scale = scaleOf(weight);
    const squares = ExactSum.of();
    for (const [ofMasks, moments] of this.#moments) {
      squares.includeProduct(moments.around(mean), 2 ** (2 * SCALE_BITS * (ofMasks - scale)));
    }
    return Math.sqrt((n / (n - 1)) * Math.max(0, squares.value)) / (weight * 2 ** (-SCALE_BITS * scale));
  }

  #of(scale: number): Moments {
    const moments = this.#moments.get(scale) ?? new Moments();
    this.#moments.set(scale, moments);
    return moments;
  }
}

/** Standard error of the mean nll. */
export const NLL_ERROR = statistic({
  columns: {},
  metrics: {
    standard_error: {
      description:
        'standard error of `mean_nll`, √(n/(n−1)·Σ m²(nll − mean_nll)²) / Σ m over n counted rows; NaN with fewer than two',
      meaning: 'Standard error of `mean_nll`, in nats.',
      example: 0.25,
      overShards: true,
      of: (sums) => sums.error,
    },
  },
  ofShard: ['nll', 'shardRows'],
  compute: () => ({}),
  sums: () => new ErrorSums(),
  merge: () => ({}),
});
