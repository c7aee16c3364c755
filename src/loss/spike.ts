/** Rule that decides which losses are spikes. */
export interface SpikeRule {
  /** Maximum number of preceding finite losses with which a loss is compared. */
  window: number;
  /** Minimum number of preceding finite losses. With fewer losses nothing is a spike. */
  minimum: number;
  /** Robust deviations above the median beyond which a loss is a spike. */
  deviations: number;
  /** Minimum deviation, as a share of |median|, because a flat curve has almost no deviation. */
  floor: number;
}

/** Default rule; docs/diagnostics.md describes it. */
export const SPIKE_RULE: Readonly<SpikeRule> = { window: 64, minimum: 16, deviations: 6, floor: 0.01 };

/** Smallest number of losses that is more than half of the window. */
export const ORDINARY_WINDOW = Math.floor(SPIKE_RULE.window / 2) + 1;

/**
 * Ratio for a quick test. When the last ORDINARY_WINDOW losses are all at least loss / ORDINARY_RATIO, their median is too,
 * and the loss is not a spike. For a loss of 0 or less the bound is the loss itself. The ratio is slightly less than
 * 1 + deviations · floor, so that rounding does not matter.
 */
export const ORDINARY_RATIO = 1 + 0.9 * SPIKE_RULE.deviations * SPIKE_RULE.floor;

/**
 * Factor from the median absolute deviation to the standard deviation, for normally distributed values: 1 / Φ⁻¹(3/4).
 */
export const MAD_TO_DEVIATION = 1.4826;

/**
 * Threshold above which the next loss is a spike: median + deviations · max(1.4826 · MAD, floor · |median|) over the
 * last `window` finite losses. MAD is the median of |loss − median|. Earlier spikes hardly move a median.
 * @param losses of the preceding steps, in their order, in nats; non-finite losses do not count
 * @returns undefined with fewer losses than `minimum`
 */
export function spikeThreshold(losses: readonly number[], rule: SpikeRule = SPIKE_RULE): number | undefined {
  return trailingOf(losses, rule).threshold;
}

/**
 * Marks the spikes of a curve. Each loss is compared with the losses before it. A non-finite loss is not a spike; the
 * verdict reports it.
 * @param losses in the order of their steps, in nats
 */
export function findSpikes(losses: readonly number[], rule: SpikeRule = SPIKE_RULE): boolean[] {
  const trailing = new TrailingLosses(rule);
  return losses.map((loss) => {
    const isSpike = trailing.isSpike(loss);
    trailing.push(loss);
    return isSpike;
  });
}

/**
 * True when a loss is a spike.
 * @param losses of the preceding steps, in their order, in nats
 */
export function isSpike(loss: number, losses: readonly number[], rule: SpikeRule = SPIKE_RULE): boolean {
  return trailingOf(losses, rule).isSpike(loss);
}

function trailingOf(losses: readonly number[], rule: SpikeRule): TrailingLosses {
  const trailing = new TrailingLosses(rule);
  for (const loss of losses) trailing.push(loss);
  return trailing;
}

/** The last finite losses, both in the order of their steps and sorted by value. */
class TrailingLosses {
  readonly #rule: SpikeRule;
  readonly #inTime: number[] = [];
  readonly #sorted: number[] = [];

  constructor(rule: SpikeRule) {
    this.#rule = rule;
  }

  push(loss: number): void {
    if (!Number.isFinite(loss)) return;
    this.#inTime.push(loss);
    this.#sorted.splice(placeOf(loss, this.#sorted), 0, loss);
    if (this.#inTime.length <= this.#rule.window) return;
    this.#sorted.splice(placeOf(this.#inTime.shift()!, this.#sorted), 1);
  }

  get threshold(): number | undefined {
    const { minimum, deviations } = this.#rule;
    if (this.#sorted.length < minimum) return undefined;
    const middle = medianOf(this.#sorted);
    const deviation = MAD_TO_DEVIATION * medianOf(distancesFrom(middle, this.#sorted));
    return Math.max(this.#least, middle + deviations * deviation);
  }

  /**
   * True when a finite loss is above the threshold. Compares it first with the lowest possible threshold, which most losses
   * do not exceed.
   */
  isSpike(loss: number): boolean {
    return Number.isFinite(loss) && loss > this.#least && loss > (this.threshold ?? Infinity);
  }

  /** Lowest possible threshold: the threshold for losses without deviation. */
  get #least(): number {
    const { deviations, floor } = this.#rule;
    if (this.#sorted.length === 0) return Infinity;
    const middle = medianOf(this.#sorted);
    return middle + deviations * floor * Math.abs(middle);
  }
}

/** First index at which inserting a value keeps ascending values in order. */
function placeOf(value: number, ascending: readonly number[]): number {
  let [from, to] = [0, ascending.length];
  while (from < to) {
    const half = (from + to) >> 1;
    if (ascending[half]! < value) from = half + 1;
    else to = half;
  }
  return from;
}

/**
 * Distances |value − middle| of ascending values, ascending. Merges the values above and below the middle, whose
 * distances are already sorted.
 */
function distancesFrom(middle: number, ascending: readonly number[]): number[] {
  let above = placeOf(middle, ascending);
  let below = above - 1;
  const distances: number[] = [];
  while (distances.length < ascending.length) {
    const up = above < ascending.length ? ascending[above]! - middle : Infinity;
    const down = below >= 0 ? middle - ascending[below]! : Infinity;
    distances.push(Math.min(up, down));
    if (up <= down) above++;
    else below--;
  }
  return distances;
}

/** Median of ascending values. */
export function medianOf(ascending: readonly number[]): number {
  const half = ascending.length >> 1;
  return ascending.length % 2 === 1 ? ascending[half]! : (ascending[half - 1]! + ascending[half]!) / 2;
}
