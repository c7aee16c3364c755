/**
 * How far a result may be from what it is held against, or from one that is more than 1 as a share of it: enough to
 * tell a kernel that computes from one that does not.
 */
const TOLERANCE = 1e-5;

/** @throws Error when what was timed did not compute what it should: its time would mean nothing */
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
