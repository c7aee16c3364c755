/** How much is tried, and from which seed. */
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

/** A test may take this long, in milliseconds. */
export const WITHIN_MS = 30 * 60_000;

console.log(`FUZZ_SEED=${SEED} FUZZ_BODIES=${BODIES} FUZZ_SEQUENCES=${SEQUENCES}`);
