import { CompensatedSum } from '../summation.ts';

const BINS = 15;

/**
 * The expected calibration error of Naeini et al. (2015), with the 15 bins of equal width that Guo et al. (2017,
 * arXiv:1706.04599) use: Σ over bins of |Σ m·(hit − confidence)| / Σ m.
 */
export class CalibrationBins {
  readonly #gaps = Array.from({ length: BINS }, () => new CompensatedSum());
  readonly #weight = new CompensatedSum();

  /** @param confidence in (0, 1]; bin b takes (b/15, (b+1)/15] */
  add(weight: number, confidence: number, hit: boolean): void {
    const bin = Math.min(BINS, Math.max(1, Math.ceil(confidence * BINS))) - 1;
    this.#weight.add(weight);
    // A row without a confidence makes the whole error NaN, regardless of its bin.
    this.#gaps[Number.isNaN(bin) ? 0 : bin]!.add(weight * (Number(hit) - confidence));
  }

  /** Sums in the form that `append` takes. */
  save() {
    return { gaps: this.#gaps.map(({ value }) => value), weight: this.#weight.value };
  }

  /** Adds the rows of another batch. */
  append({ gaps, weight }: ReturnType<CalibrationBins['save']>): void {
    this.#gaps.forEach((gap, bin) => gap.add(gaps[bin]!));
    this.#weight.add(weight);
  }

  /** NaN without rows. */
  get error(): number {
    return this.#gaps.reduce((sum, gap) => sum + Math.abs(gap.value), 0) / this.#weight.value;
  }
}
