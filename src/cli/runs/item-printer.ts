import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { formatItem } from '../../import/item.ts';
import type { Entry } from '../../import/item.ts';
import type { Sink } from '../../import/importer.ts';
import type { Source } from '../../import/sources.ts';

/** Prints items as NDJSON. Everything else goes to another sink, which reports it. */
export class ItemPrinter implements Sink {
  readonly #output: Writable;
  readonly #others: Sink;

  constructor(output: Writable, others: Sink) {
    this.#output = output;
    this.#others = others;
  }

  async add(source: Source, entries: readonly Entry[]): Promise<void> {
    const lines = entries.flatMap((entry) => ('item' in entry ? [`${formatItem(entry.item)}\n`] : []));
    if (!this.#output.write(lines.join(''))) await once(this.#output, 'drain');
    await this.#others.add(
      source,
      entries.filter((entry) => !('item' in entry)),
    );
  }

  async flush(): Promise<void> {
    await this.#others.flush();
  }
}
