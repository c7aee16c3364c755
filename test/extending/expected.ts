/** Expected values, computed in float64 from their definitions. */

export function softmax(row: readonly number[]): number[] {
  const top = Math.max(...row);
  const exponentials = row.map((x) => Math.exp(x - top));
  const sum = exponentials.reduce((total, e) => total + e, 0);
  return exponentials.map((e) => e / sum);
}
