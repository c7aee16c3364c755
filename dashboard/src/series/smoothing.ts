/**
 * Exponential moving average, sᵢ = Σ wⁱ⁻ʲ·xⱼ / Σ wⁱ⁻ʲ over j ≤ i. Divided by the weights it has no bias towards the
 * start, from which a plain one takes 1 / (1 − w) steps to recover.
 *
 * Non-finite values are left out of the sums: every later value would be lost. Their own places have none.
 * @param weight w in [0, 1)
 */
export function smooth(values: readonly number[], weight: number): (number | null)[] {
  let sum = 0;
  let weights = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return null;
    sum = weight * sum + value;
    weights = weight * weights + 1;
    return sum / weights;
  });
}
