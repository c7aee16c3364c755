import { MOST_BULK_BYTES, MOST_ITEMS, MOST_SCALARS_OF_ALL } from '../../contract/bulk.ts';
import { MOST_SCALARS } from '../../contract/scalars.ts';
import { formatItem } from '../../import/item.ts';
import type { Entry, Item } from '../../import/item.ts';
import type { Sink } from '../../import/importer.ts';
import type { Source } from '../../import/sources.ts';
import { runPath } from './service.ts';
import type { RemoteService } from './service.ts';

/** Maximum number of refused parts that are listed; all are counted. */
const MOST_LISTED = 1000;

/** A part of a file that was not recorded. */
export interface Refusal {
  place: string;
  code: string;
  detail: string;
}

export interface RunCounts {
  recorded: number;
  repeated: number;
  /** Items that a later attempt replaced. */
  superseded: number;
  refused: number;
  /** Items with a loss. */
  losses: number;
}

interface Result {
  status: number;
  code?: string;
  detail?: string;
}

interface Pending {
  lines: string[];
  places: string[];
  bytes: number;
  scalars: number;
}

/** Records items, many in a request, and counts the outcomes. Refused items do not end an import. */
export class BulkSender implements Sink {
  readonly counts = new Map<string, RunCounts>();
  readonly refusals: Refusal[] = [];
  readonly #service: RemoteService;
  readonly #pending = new Map<string, Pending>();
  readonly #onNote: (note: string) => void;

  constructor(service: RemoteService, onNote: (note: string) => void) {
    this.#service = service;
    this.#onNote = onNote;
  }

  /** Number of refused parts. */
  get refused(): number {
    return [...this.counts.values()].reduce((sum, { refused }) => sum + refused, 0);
  }

  async add(source: Source, entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) {
      const place = placeOf(source, entry.at);
      if ('note' in entry) this.#onNote(`${place}: ${entry.note}`);
      else if ('refused' in entry) this.#refuse(source.run, { place, code: 'unreadable', detail: entry.refused });
      else for (const item of splitItem(entry.item)) await this.#append(source.run, item, place);
    }
  }

  async flush(): Promise<void> {
    for (const run of this.#pending.keys()) await this.#send(run);
  }

  async #append(run: string, item: Item, place: string): Promise<void> {
    const line = `${formatItem(item)}\n`;
    const bytes = Buffer.byteLength(line);
    if (bytes > MOST_BULK_BYTES) {
      this.#refuse(run, {
        place,
        code: 'too_large',
        detail: `the item has ${bytes} bytes, expected at most ${MOST_BULK_BYTES}`,
      });
      return;
    }
    // The service keeps a declared loss as a scalar.
    const scalars = countScalars(item) + (item.declared_loss === undefined ? 0 : 1);
    const before = this.#pending.get(run);
    const isFull =
      before !== undefined &&
      (before.lines.length === MOST_ITEMS ||
        before.bytes + bytes > MOST_BULK_BYTES ||
        before.scalars + scalars > MOST_SCALARS_OF_ALL);
    if (isFull) await this.#send(run);
    const pending = this.#pending.get(run) ?? { lines: [], places: [], bytes: 0, scalars: 0 };
    this.#pending.set(run, pending);
    pending.lines.push(line);
    pending.places.push(place);
    pending.bytes += bytes;
    pending.scalars += scalars;
    if (item.numerator !== undefined) this.#countsOf(run).losses += 1;
  }

  async #send(run: string): Promise<void> {
    const pending = this.#pending.get(run);
    if (pending === undefined) return;
    const { results } = await this.#service.json<{ results: Result[] }>(runPath(run, '/batches'), {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: pending.lines.join(''),
    });
    this.#pending.delete(run);
    if (results.length !== pending.lines.length) {
      throw new Error(`the service answered ${results.length} results for ${pending.lines.length} items`);
    }
    const counts = this.#countsOf(run);
    for (const [k, { status, code = String(status), detail = '' }] of results.entries()) {
      if (status === 201) counts.recorded += 1;
      else if (status === 200) counts.repeated += 1;
      // A later attempt recorded this step: after a resume, or in an earlier import of the same files. It is no error.
      else if (code === 'superseded') counts.superseded += 1;
      else this.#refuse(run, { place: pending.places[k]!, code, detail });
    }
  }

  #refuse(run: string, refusal: Refusal): void {
    this.#countsOf(run).refused += 1;
    if (this.refusals.length < MOST_LISTED) this.refusals.push(refusal);
  }

  #countsOf(run: string): RunCounts {
    const counts = this.counts.get(run) ?? { recorded: 0, repeated: 0, superseded: 0, refused: 0, losses: 0 };
    this.counts.set(run, counts);
    return counts;
  }
}

/** Place of an entry: `train.log:17`, or `events.out.tfevents.17: offset 4096`. */
function placeOf({ path, format }: Source, at: number): string {
  return format.unit === 'line' ? `${path}:${at}` : `${path}: offset ${at}`;
}

function countScalars({ scalars }: Item): number {
  return typeof scalars === 'object' && scalars !== null ? Object.keys(scalars).length : 0;
}

/** Splits an item that has more than MOST_SCALARS scalars. */
function splitItem(item: Item): Item[] {
  if (countScalars(item) <= MOST_SCALARS) return [item];
  const { scalars, ...others } = item;
  const { step, rank, attempt } = item;
  const place = { step, ...(rank !== undefined && { rank }), ...(attempt !== undefined && { attempt }) };
  const entries = Object.entries(scalars!);
  const parts = Array.from({ length: Math.ceil(entries.length / MOST_SCALARS) }, (_, k) =>
    Object.fromEntries(entries.slice(k * MOST_SCALARS, (k + 1) * MOST_SCALARS)),
  );
  return parts.map((part, k) => ({ ...(k === 0 ? others : place), scalars: part }));
}
