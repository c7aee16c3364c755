/** Item of the body of `POST /v1/runs/{run}/batches`, under the names of the wire. */
export interface Item {
  step: number;
  rank?: number;
  micro_batch?: number;
  attempt?: number;
  numerator?: number;
  denominator?: number;
  scalars?: Record<string, number>;
  device?: string;
  declared_loss?: number;
}

/** Part of an imported file: an item, a refused part, or a note about a part that is neither. */
export type Entry = { at: number } & ({ item: Item } | { refused: string } | { note: string });

/**
 * JSON text of an item. JSON cannot represent non-finite numbers, so they are strings.
 * @example formatItem({ step: 1, numerator: NaN, denominator: 1 }) === '{"step":1,"numerator":"NaN","denominator":1}'
 */
export function formatItem(item: Item): string {
  return JSON.stringify(item, (_name, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
}
