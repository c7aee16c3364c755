/** Consecutive rows that are drawn as one. */
export interface Stretch {
  readonly first: number;
  readonly last: number;
  /** Greatest finite divergence. */
  readonly greatest: number;
  /** Rows whose divergence is infinite or NaN. */
  readonly nonFinite: number;
  /** Rows in which the most probable classes of both sides differ. */
  readonly differing: number;
}

/** Divides the rows into stretches of almost equal length. @param most greatest number of stretches */
export function stretchesOf(divergence: Float64Array, agreement: Int32Array, most: number): Stretch[] {
  const rows = divergence.length;
  const count = Math.min(rows, most);
  return Array.from({ length: count }, (_, k) => {
    const first = Math.floor((k * rows) / count);
    const last = Math.floor(((k + 1) * rows) / count) - 1;
    let greatest = 0;
    let nonFinite = 0;
    let differing = 0;
    for (let row = first; row <= last; row++) {
      const value = divergence[row]!;
      if (!Number.isFinite(value)) nonFinite++;
      else if (value > greatest) greatest = value;
      // Rows of divergence 0 agree. Rows that are not counted have divergence 0 and agreement 0.
      if (value !== 0 && agreement[row] === 0) differing++;
    }
    return { first, last, greatest, nonFinite, differing };
  });
}
