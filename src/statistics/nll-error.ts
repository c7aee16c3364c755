import { ExactSum } from '../exact-sum.ts';
import { statistic } from './statistic.ts';
import type { Sums } from './statistic.ts';

/**
 * Standard error √(n/(n−1)·Σ m²(x−μ)²) / Σ m of the mean μ of x over n counted rows. Σ m²(x−μ)² is A − 2μ·B + μ²·C from
 * the moments A = Σ (m·x)², B = Σ (m·x)·m and C = Σ m². They are summed without rounding, so nothing is lost where they
 * cancel.
 */
class ErrorSums implements Sums {
  readonly #A = ExactSum.of();
  readonly #B = ExactSum.of();
  readonly #C = ExactSum.of();
  readonly #numerator = ExactSum.of();
  readonly #denominator = ExactSum.of();
  #n = 0;

  adder({ nll }: { nll: Float64Array }) {
    return (row: number, m: number): void => {
      const mx = m * nll[row]!;
      this.#n++;
      this.#numerator.add(mx);
      this.#denominator.add(m);
      this.#A.addProduct(mx, mx);
      this.#B.addProduct(mx, m);
      this.#C.addProduct(m, m);
    };
  }

  append(other: ErrorSums): void {
    this.#n += other.#n;
    this.#numerator.include(other.#numerator);
    this.#denominator.include(other.#denominator);
    this.#A.include(other.#A);
    this.#B.include(other.#B);
    this.#C.include(other.#C);
  }

  /** NaN below two rows, and where the mean is not finite. */
  get error(): number {
    const n = this.#n;
    const weight = this.#denominator.value;
    const mean = this.#numerator.value / weight;
    if (n < 2 || !Number.isFinite(mean)) return Number.NaN;
    const squares = ExactSum.of();
    squares.include(this.#A);
    squares.includeProduct(this.#B, -2 * mean);
    const ofC = ExactSum.of();
    ofC.includeProduct(this.#C, mean);
    squares.includeProduct(ofC, mean);
    return Math.sqrt((n / (n - 1)) * Math.max(0, squares.value)) / weight;
  }
}

/** Standard error of the mean nll. */
export const NLL_ERROR = statistic({
  columns: {},
  metrics: {
    standard_error: {
      description:
        'the standard error of `mean_nll`, √(n/(n−1)·Σ m²(nll − mean_nll)²) / Σ m over n counted rows; NaN below two',
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
