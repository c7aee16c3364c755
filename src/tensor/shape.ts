/** Sizes of the axes, outermost first; row-major. */
export type Shape = readonly number[];

/** Maximum number of axes of a tensor: NumPy's limit. It also bounds the work that a header can cause. */
export const MAX_RANK = 32;

export function isShape(value: unknown): value is Shape {
  return (
    Array.isArray(value) && value.length <= MAX_RANK && value.every((size) => Number.isSafeInteger(size) && size >= 0)
  );
}

/** Number of elements, or undefined when it is not exactly representable: sizes come from clients. */
export function elementCount(shape: Shape): number | undefined {
  if (shape.includes(0)) return 0;
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/** Shape in Python's notation: (3, 5), (3,), (). */
export function formatShape(shape: Shape): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}
