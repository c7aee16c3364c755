import { numberText, stringify } from '../wire/json-reply.ts';
import { readCurve } from './curve.ts';
import { batchPages } from './store.ts';
import type { RunStore } from './store.ts';
import { wireBatch, wireRow } from './wire.ts';

type Exported = Record<string, string | number | boolean>;

const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER };

/** A run as text in pages: a line a step, or a micro-batch of the steps' highest attempts. */
export async function* exportRows(
  store: RunStore,
  run: string,
  of: 'steps' | 'batches',
  format: 'csv' | 'jsonl',
): AsyncGenerator<string> {
  let hasHead = false;
  for await (const rows of of === 'steps' ? stepRows(store, run) : batchRows(store, run)) {
    if (rows.length === 0) continue;
    if (format === 'jsonl') {
      yield rows.map((row) => `${stringify(row)}\n`).join('');
      continue;
    }
    const head = hasHead ? '' : line(Object.keys(rows[0]!));
    hasHead = true;
    yield head + rows.map((row) => line(Object.values(row))).join('');
  }
}

async function* stepRows(store: RunStore, run: string): AsyncGenerator<Exported[]> {
  for await (const points of readCurve(store, run, ALL)) yield points.map(wireRow);
}

async function* batchRows(store: RunStore, run: string): AsyncGenerator<Exported[]> {
  for await (const batches of batchPages(store, run, ALL)) yield batches.map(wireBatch);
}

/** RFC 4180: what has a separator or a quote in it is quoted. */
function line(values: readonly (string | number | boolean)[]): string {
  const cells = values.map((value) => {
    const text = typeof value === 'number' ? numberText(value) : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${cells.join(',')}\r\n`;
}
