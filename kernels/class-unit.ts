/**
 * The least power of two that is at least a number of classes. Sums over classes are relative to it, which loses no
 * digit: they overflow only if their mean does.
 */
export function classUnit(classes: number): number {
  return 2 ** (32 - Math.clz32(classes - 1));
}
