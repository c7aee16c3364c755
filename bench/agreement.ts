/**
 * Largest error of a result: absolute for expected values up to 1, else relative. It distinguishes a correct kernel
 * from one that skips its work.
 */
const TOLERANCE = 1e-5;

/** @throws Error when the timed code computed a wrong result, which would make its time meaningless */
export function requireAgreement(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance = TOLERANCE,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: ${actual.length} results, expected ${expected.length}`);
  }
  for (let k = 0; k < expected.length; k++) {
    const bound = tolerance * Math.max(1, Math.abs(expected[k]!));
    if (!(Math.abs(actual[k]! - expected[k]!) <= bound)) {
      throw new Error(`${what}: result ${k} is ${actual[k]}, expected ${expected[k]}`);
    }
  }
}
