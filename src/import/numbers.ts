const FINITE = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

const NON_FINITE = new Map([
  ['nan', Number.NaN],
  ['inf', Infinity],
  ['infinity', Infinity],
]);

/**
 * Number in the notation of C and Python: `1.5E-07`, `nan`, `-inf`.
 * @returns undefined for any other text
 */
export function readNumber(text: string): number | undefined {
  const trimmed = text.trim();
  if (FINITE.test(trimmed)) return Number(trimmed);
  const magnitude = NON_FINITE.get(trimmed.replace(/^[+-]/, '').toLowerCase());
  return magnitude !== undefined && trimmed.startsWith('-') ? -magnitude : magnitude;
}

/** Integer that is at least 0 and exact; undefined for any other text. */
export function readCount(text: string): number | undefined {
  const value = readNumber(text);
  return Number.isSafeInteger(value) && value! >= 0 ? value : undefined;
}
