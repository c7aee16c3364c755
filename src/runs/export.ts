import { numberText, stringify } from '../wire/json-reply.ts';
import { readCurve } from './curve.ts';
import { batchesOf } from './store.ts';
import type { RunStore } from './store.ts';
import { wireBatch, wireRow } from './wire.ts';

type Exported = Record<string, string | number | boolean>;

const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER };

/** A run as text, a line a step, or a micro-batch of the steps' highest attempts; made while it is sent. */
export async function* exportRows(
  store: RunStore,
  run: string,
  of: 'steps' | 'batches',
  format: 'csv' | 'jsonl',
): AsyncGenerator<string> {
  let hasHead = false;
  for await (const row of of === 'steps' ? stepRows(store, run) : batchRows(store, run)) {
    if (format === 'jsonl') {
      yield `${stringify(row)}\n`;
      continue;
    }
    if (!hasHead) yield line(Object.keys(row));
    hasHead = true;
    yield line(Object.values(row));
  }
}

async function* stepRows(store: RunStore, run: string): AsyncGenerator<Exported> {
  for await (const points of readCurve(store, run, ALL)) for (const point of points) yield wireRow(point);
}

async function* batchRows(store: RunStore, run: string): AsyncGenerator<Exported> {
  for await (const batch of batchesOf(store, run, ALL)) yield wireBatch(batch);
}

/** RFC 4180: what has a separator or a quote in it is quoted. */
function line(values: readonly (string | number | boolean)[]): string {
  const cells = values.map((value) => {
    const text = typeof value === 'number' ? numberText(value) : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${cells.join(',')}\r\n`;
}
