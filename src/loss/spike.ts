/** What makes a loss a spike. */
export interface SpikeRule {
  /** Finite losses before it that it is held against, at most. */
  window: number;
  /** How many there must be: with fewer nothing is a spike. */
  minimum: number;
  /** How many robust deviations above the median it must be. */
  deviations: number;
  /** The least deviation, as a share of the median: a curve as flat as a ruler has none of its own. */
  floor: number;
}

/** The rule where nothing else is said; docs/diagnostics.md has it in words. */
export const SPIKE_RULE: Readonly<SpikeRule> = { window: 64, minimum: 16, deviations: 6, floor: 0.01 };

/** Makes the median absolute deviation of normally distributed values their standard deviation: 1 / Φ⁻¹(3/4). */
const MAD_TO_DEVIATION = 1.4826;

/**
 * The loss above which the next one is a spike: median + deviations · max(1.4826 · MAD, floor · |median|) over the last
 * `window` finite losses, where MAD is the median of |loss − median|. A median is not moved by the spikes before it.
 * @param losses of the steps before, in their order, in nats; what is not finite does not count
 * @returns undefined while there are fewer than `minimum`
 */
export function spikeThreshold(losses: readonly number[], rule: SpikeRule = SPIKE_RULE): number | undefined {
  return trailingOf(losses, rule).threshold;
}

/**
 * Which losses of a curve are spikes, each held against those before it. A loss that is not finite is worse than a spike,
 * and none.
 * @param losses in the order of their steps, in nats
 */
export function findSpikes(losses: readonly number[], rule: SpikeRule = SPIKE_RULE): boolean[] {
  const trailing = new TrailingLosses(rule);
  return losses.map((loss) => {
    const isSpike = trailing.isBelow(loss);
    trailing.push(loss);
    return isSpike;
  });
}

/** Whether a loss is a spike. @param losses of the steps before, as spikeThreshold takes them */
export function isSpike(loss: number, losses: readonly number[], rule: SpikeRule = SPIKE_RULE): boolean {
  return trailingOf(losses, rule).isBelow(loss);
}

function trailingOf(losses: readonly number[], rule: SpikeRule): TrailingLosses {
  const trailing = new TrailingLosses(rule);
  for (const loss of losses) trailing.push(loss);
  return trailing;
}

/** The last finite losses, in the order of their steps and in that of their values. */
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

  /** Whether a finite loss is above the threshold. Most are not even above the least that there could be. */
  isBelow(loss: number): boolean {
    return Number.isFinite(loss) && loss > this.#least && loss > (this.threshold ?? Infinity);
  }

  /** What the threshold is where losses do not deviate. */
  get #least(): number {
    const { deviations, floor } = this.#rule;
    if (this.#sorted.length === 0) return Infinity;
    const middle = medianOf(this.#sorted);
    return middle + deviations * floor * Math.abs(middle);
  }
}

/** The first place at which a value keeps ascending values in order. */
function placeOf(value: number, ascending: readonly number[]): number {
  let [from, to] = [0, ascending.length];
  while (from < to) {
    const half = (from + to) >> 1;
    if (ascending[half]! < value) from = half + 1;
    else to = half;
  }
  return from;
}

/** |value − middle| of ascending values, ascending: those above the middle and those below it are so already. */
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

function medianOf(ascending: readonly number[]): number {
  const half = ascending.length >> 1;
  return ascending.length % 2 === 1 ? ascending[half]! : (ascending[half - 1]! + ascending[half]!) / 2;
}
