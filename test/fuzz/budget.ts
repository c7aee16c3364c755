/** Reads a number from the environment. */
function count(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`${name} is ${text}, expected an integer`);
  return value;
}

export const SEED = count('FUZZ_SEED', Date.now() % 2 ** 31);
export const BODIES = count('FUZZ_BODIES', 20_000);
export const SEQUENCES = count('FUZZ_SEQUENCES', 300);

/** Seconds after which a test ends with the cases that it has tried. */
const SECONDS = count('FUZZ_SECONDS', 1200);

/** Parameters of a property for fast-check. */
export const RUN = { seed: SEED, interruptAfterTimeLimit: SECONDS * 1000 } as const;

/** Time limit of a test in milliseconds. It leaves 120 s for fast-check to shrink a failure. */
export const WITHIN_MS = (SECONDS + 120) * 1000;

console.log(`FUZZ_SEED=${SEED} FUZZ_BODIES=${BODIES} FUZZ_SEQUENCES=${SEQUENCES}`);
