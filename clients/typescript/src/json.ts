const NON_FINITE = new Map<unknown, number>([NaN, Infinity, -Infinity].map((number) => [String(number), number]));

/**
 * Reads an answer of the service. Its JSON has the texts "NaN", "Infinity" and "-Infinity" for numbers that JSON cannot
 * represent. Every such text becomes a number, even in a label of a run.
 */
export function parseAnswer(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => NON_FINITE.get(value) ?? value);
}

/** Writes a request. Numbers that JSON cannot represent become text. */
export function writeRequest(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'number' && !Number.isFinite(inner) ? String(inner) : inner,
  );
}
