/** Middle value; for an even number of values, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1]!;
  return sorted.length % 2 === 1 ? upper : (upper + sorted[(sorted.length >> 1) - 1]!) / 2;
}

/** Percentile: the least value that at least `percent` % of the values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!;
}

export function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** At most `count` of the values, evenly spaced, including the first and the last. */
export function thin(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values];
  return Array.from({ length: count }, (_, k) => values[Math.round((k * (values.length - 1)) / (count - 1))]!);
}

/** Measures the milliseconds of `action`. */
export function time(action: () => void): number {
  const started = performance.now();
  action();
  return performance.now() - started;
}

/** Milliseconds until V8 has optimized a kernel, which it compiles a second time. */
const WARM_UP_MS = 700;

/** Runs `action` until its code is optimized. */
export function warmUp(action: () => void): void {
  for (let spent = 0; spent < WARM_UP_MS;) spent += time(action);
}

/** Runs all actions in every round, in rotating order, so that changes of the machine's speed affect all equally. */
export async function interleave(rounds: number, actions: readonly (() => Promise<void> | void)[]): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let k = 0; k < actions.length; k++) await actions[(round + k) % actions.length]!();
  }
}

/** Median milliseconds of each warmed-up action, over interleaved rounds. */
export async function interleavedMedians(rounds: number, actions: readonly (() => void)[]): Promise<number[]> {
  actions.forEach(warmUp);
  const milliseconds = actions.map((): number[] => []);
  await interleave(
    rounds,
    actions.map((action, k) => () => void milliseconds[k]!.push(time(action))),
  );
  return milliseconds.map(median);
}

/** GB/s, with 10⁹ bytes to the GB. */
export function gigabytesPerSecond(bytes: number, milliseconds: number): number {
  return bytes / milliseconds / 1e6;
}
