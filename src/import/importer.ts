import { setTimeout as sleep } from 'node:timers/promises';
import type { Parser, ReadOptions, Stream } from './format.ts';
import { GrowingFile } from './growing-file.ts';
import type { Entry } from './item.ts';
import type { Source } from './sources.ts';

/** Milliseconds between two looks at files that may grow. */
const POLL_MS = 500;

/** Receiver of what an import reads. */
export interface Sink {
  add(source: Source, entries: readonly Entry[]): Promise<void>;
  /** Sends what is buffered. */
  flush(): Promise<void>;
}

export interface ImportSettings {
  options: Omit<ReadOptions, 'rank'>;
  /** Reports the progress in bytes. */
  onRead?: (bytes: number) => void;
  /** Finds the files of every later round, until the signal; undefined to end at the present ends of the files. */
  follow?: { find: () => Promise<readonly Source[]>; signal: AbortSignal };
}

/** Reads sources into a sink. Streams are read in turns, the files of a stream one after the other. */
export async function importSources(
  sources: readonly Source[],
  sink: Sink,
  { options, onRead, follow }: ImportSettings,
): Promise<void> {
  const streams = new Map<string, OpenStream>();
  const known = new Set<string>();
  const open = (found: readonly Source[]): void => {
    for (const source of found) {
      if (known.has(source.path)) continue;
      known.add(source.path);
      const key = JSON.stringify([source.run, source.format.name, source.rank]);
      const stream = streams.get(key) ?? new OpenStream(source.format.stream({ ...options, rank: source.rank }));
      streams.set(key, stream.open(source));
    }
  };
  open(sources);
  try {
    for (;;) {
      let bytes = 0;
      for (const stream of streams.values()) {
        const read = await stream.read(sink, { hasEnd: follow === undefined });
        bytes += read;
        onRead?.(read);
        if (follow?.signal.aborted === true) break;
      }
      if (bytes > 0 && follow?.signal.aborted !== true) continue;
      await sink.flush();
      if (follow === undefined || follow.signal.aborted) return;
      await sleep(POLL_MS, undefined, { signal: follow.signal }).catch(() => undefined);
      for (const stream of streams.values()) stream.rewind();
      open(await follow.find());
    }
  } finally {
    for (const stream of streams.values()) await stream.close();
  }
}

interface OpenSource {
  source: Source;
  file: GrowingFile;
  parser: Parser;
}

/** Files of a stream that are read. */
class OpenStream {
  readonly #stream: Stream;
  readonly #files: OpenSource[] = [];
  #current = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  open(source: Source): this {
    this.#files.push({ source, file: new GrowingFile(source.path), parser: this.#stream.open() });
    return this;
  }

  /**
   * Reads the next chunk of the first file that has one.
   * @param reading.hasEnd false for files that may grow: their last lines may be incomplete
   * @returns the number of bytes; 0 at the end of the last file
   */
  async read(sink: Sink, { hasEnd }: { hasEnd: boolean }): Promise<number> {
    for (; this.#current < this.#files.length; this.#current++) {
      const { source, file, parser } = this.#files[this.#current]!;
      const chunk = await file.read();
      if (chunk !== undefined) {
        await sink.add(source, parser.push(chunk));
        return chunk.length;
      }
      if (hasEnd) await sink.add(source, parser.end());
    }
    return 0;
  }

  /** Looks at all files again: each may have grown. */
  rewind(): void {
    this.#current = 0;
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.map(({ file }) => file.close()));
  }
}
