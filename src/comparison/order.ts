import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';

/** Number of values sorted in one step, which takes about 1 ms. */
const RUN_LENGTH = 2 ** 14;

/**
 * Sorts values in ascending order: sorts runs in place, then merges them by means of a second array of the same length.
 * @returns the array with the result
 */
export function* sorted(values: Float64Array<ArrayBuffer>): Steps<Float64Array<ArrayBuffer>> {
  const { length } = values;
  for (let from = 0; from < length; from += RUN_LENGTH) {
    if (from > 0) yield;
    values.subarray(from, from + RUN_LENGTH).sort();
  }
  let source = values;
  let target = length > RUN_LENGTH ? new Float64Array(length) : values;
  for (let run = RUN_LENGTH; run < length; run *= 2) {
    for (let from = 0; from < length; from += 2 * run) {
      yield* merge(source, target, {
        from,
        middle: Math.min(length, from + run),
        to: Math.min(length, from + 2 * run),
      });
    }
    [source, target] = [target, source];
  }
  return source;
}

/** Merges two neighbouring runs of `source` into their place in `target`. */
function* merge(
  source: Float64Array,
  target: Float64Array,
  { from, middle, to }: { from: number; middle: number; to: number },
): Steps<void> {
  let [left, right] = [from, middle];
  yield* inSteps(to - from, (first, end) => {
    for (let at = from + first; at < from + end; at++) {
      const takesLeft = right >= to || (left < middle && source[left]! <= source[right]!);
      target[at] = source[takesLeft ? left++ : right++]!;
    }
  });
}

/**
 * The percentile f of ascending values: linear interpolation at f·(n − 1), the lower value where the fraction is 0; NaN
 * without values.
 */
export function percentileOf(ascending: Float64Array, f: number): number {
  const at = f * (ascending.length - 1);
  const below = Math.floor(at);
  const low = ascending[below] ?? Number.NaN;
  const fraction = at - below;
  const high = fraction === 0 ? low : ascending[below + 1]!;
  // The difference of two equal infinities is NaN.
  return high === low ? low : low + fraction * (high - low);
}
