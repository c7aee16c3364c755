/** Greatest number of bins. */
const MOST_BINS = 48;

/** Decades below the greatest divergence that have bins of their own. */
const DECADES = 12;

/** Numbers of bins per decade. The greatest that fits is used. */
const BINS_PER_DECADE = [8, 4, 2, 1];

/** Rows with from ≤ divergence < to. */
interface Bin {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

interface Histogram {
  /** Bins of equal width on a logarithmic axis. The first one counts smaller divergences too. */
  readonly bins: readonly Bin[];
  /** Counted rows with a divergence of 0, or slightly below. */
  readonly zero: number;
  /** Counted rows with a divergence that is infinite or NaN. */
  readonly nonFinite: number;
}

/** Counts divergences in logarithmic bins. @param counted number of counted rows; other rows have divergence 0 */
export function histogramOf(divergence: Float64Array, counted: number): Histogram {
  let least = Infinity;
  let greatest = 0;
  let notPositive = 0;
  let nonFinite = 0;
  for (const value of divergence) {
    if (!Number.isFinite(value)) nonFinite++;
    else if (value <= 0) notPositive++;
    else {
      least = Math.min(least, value);
      greatest = Math.max(greatest, value);
    }
  }
  const zero = Math.max(0, notPositive - (divergence.length - counted));
  if (greatest === 0) return { bins: [], zero, nonFinite };
  const floor = Math.max(least, greatest / 10 ** DECADES);
  const scale = BINS_PER_DECADE.find((n) => binOf(greatest, n) - binOf(floor, n) < MOST_BINS)!;
  const first = binOf(floor, scale);
  const counts = new Uint32Array(binOf(greatest, scale) - first + 1);
  for (const value of divergence) {
    if (value > 0 && value <= greatest) counts[Math.max(0, binOf(value, scale) - first)]!++;
  }
  const bins = Array.from(counts, (count, k) => ({
    from: edge(first + k, scale),
    to: edge(first + k + 1, scale),
    count,
  }));
  return { bins, zero, nonFinite };
}

/** Lower end of a bin. The ends of decades are exact. */
const edge = (bin: number, scale: number): number =>
  bin % scale === 0 ? Number(`1e${bin / scale}`) : 10 ** (bin / scale);

/** Bin of a value. The logarithm has rounding errors, so the ends of the bins decide. */
function binOf(value: number, scale: number): number {
  const near = Math.floor(Math.log10(value) * scale);
  if (value < edge(near, scale)) return near - 1;
  return value >= edge(near + 1, scale) ? near + 1 : near;
}
