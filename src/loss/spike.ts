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
  const trailing: number[] = [];
  for (let k = losses.length - 1; k >= 0 && trailing.length < rule.window; k--) {
    if (Number.isFinite(losses[k])) trailing.push(losses[k]!);
  }
  if (trailing.length < rule.minimum) return undefined;
  const middle = median(trailing);
  const deviation = MAD_TO_DEVIATION * median(trailing.map((loss) => Math.abs(loss - middle)));
  return middle + rule.deviations * Math.max(deviation, rule.floor * Math.abs(middle));
}

/**
 * Which losses of a curve are spikes, each held against those before it. A loss that is not finite is worse than a spike,
 * and none.
 * @param losses in the order of their steps, in nats
 */
export function findSpikes(losses: readonly number[], rule: SpikeRule = SPIKE_RULE): boolean[] {
  const trailing: number[] = [];
  return losses.map((loss) => {
    if (!Number.isFinite(loss)) return false;
    const threshold = spikeThreshold(trailing, rule);
    trailing.push(loss);
    if (trailing.length > rule.window) trailing.shift();
    return threshold !== undefined && loss > threshold;
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
