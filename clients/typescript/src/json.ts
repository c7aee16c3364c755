const NON_FINITE: Record<string, number> = { NaN: NaN, Infinity: Infinity, '-Infinity': -Infinity };

/**
 * Reads an answer of the service, whose JSON has "NaN", "Infinity" and "-Infinity" where JSON has no number. It is done
 * wherever such a text stands: a label that is one looks the same when it is shown.
 */
export function parseAnswer(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => (typeof value === 'string' ? (NON_FINITE[value] ?? value) : value));
}

/** Writes a request, whose numbers that JSON cannot represent become text. */
export function writeRequest(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'number' && !Number.isFinite(inner) ? String(inner) : inner,
  );
}
