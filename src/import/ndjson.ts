import type { Format, Parser, ReadOptions } from './format.ts';
import type { Entry, Item } from './item.ts';
import { Lines, headLines } from './lines.ts';

/** NDJSON: each line is an item of the bulk body. The monitor of the Python client writes it without a service. */
export const ndjson: Format = {
  name: 'ndjson',
  title: 'NDJSON with items of the bulk body',
  unit: 'line',
  recognises: (name, head) => /\.(?:ndjson|jsonl)$/i.test(name) || headLines(head)[0]!.startsWith('{"'),
  stream: (options) => ({ open: () => new NdjsonFile(options) }),
};

class NdjsonFile implements Parser {
  readonly #options: ReadOptions;
  readonly #lines = new Lines();

  constructor(options: ReadOptions) {
    this.#options = options;
  }

  push(bytes: Buffer): Entry[] {
    return this.#lines.push(bytes).flatMap(({ line, at }) => this.#read(line, at));
  }

  /** Reads the last line. A running writer may have written only a part of it. */
  end(): Entry[] {
    return this.#lines.end().flatMap(({ line, at }) => {
      const entries = this.#read(line, at);
      const [entry] = entries;
      return entry !== undefined && 'refused' in entry
        ? [{ at, note: 'the last line is incomplete: it is not read' }]
        : entries;
    });
  }

  #read(line: string, at: number): Entry[] {
    const text = at === 1 ? line.replace(/^\uFEFF/, '') : line;
    if (text.trim() === '') return [];
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return [{ at, refused: (error as Error).message }];
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return [{ at, refused: 'the line is not a JSON object' }];
    }
    // The service checks the fields and names invalid ones.
    const { rank, attempt } = this.#options;
    return [{ at, item: { ...(rank > 0 && { rank }), ...(attempt > 0 && { attempt }), ...value } as Item }];
  }
}
