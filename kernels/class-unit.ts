/**
 * Smallest power of two that is at least the number of classes. Sums over classes are divided by it. The division is
 * exact, and the quotient overflows only if the mean does.
 */
export function classUnit(classes: number): number {
  return 2 ** (32 - Math.clz32(classes - 1));
}
