/**
 * Exponential moving average, sᵢ = Σ wⁱ⁻ʲ·xⱼ / Σ wⁱ⁻ʲ over j ≤ i. The division by the weights removes the bias towards
 * the start, which a plain average keeps for about 1 / (1 − w) steps.
 *
 * Non-finite values are left out of the sums, because they would make every later value non-finite. Their own averages
 * are null.
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
