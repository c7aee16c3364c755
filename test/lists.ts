/** Long lists of inputs: `npm test` takes a part of each, and the other suites, such as `npm run test:grids`, the whole. */
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    lists: 'part' | 'whole';
  }
}

const IS_WHOLE = inject('lists') === 'whole';

/** The first of every n elements, or all elements. */
export function partOf<T>(list: readonly T[], n: number): readonly T[] {
  return IS_WHOLE ? list : list.filter((_, k) => k % n === 0);
}

/** The n-th part of a number of inputs, rounded up, or all. */
export function shareOf(count: number, n: number): number {
  return IS_WHOLE ? count : Math.ceil(count / n);
}
