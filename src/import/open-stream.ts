import type { Parser, Stream } from './format.ts';
import { GrowingFile } from './growing-file.ts';
import type { Entry } from './item.ts';
import type { Source } from './sources.ts';

/** Consecutive entries of one source and one attempt. */
export interface Portion {
  source: Source;
  attempt: number;
  entries: Entry[];
}

interface OpenSource {
  source: Source;
  file: GrowingFile;
  parser: Parser;
}

/** Reader of the files of a stream, with the portions that wait to be recorded. */
export class OpenStream {
  readonly #stream: Stream;
  readonly #files: OpenSource[] = [];
  readonly #waiting: Portion[] = [];
  #current = 0;
  #attempt = 0;
  #isEnded = false;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Attempt of the next portion; Infinity when there is none and all files have ended. */
  get attempt(): number {
    return this.#waiting[0]?.attempt ?? (this.#isEnded ? Infinity : this.#attempt);
  }

  open(source: Source): this {
    this.#files.push({ source, file: new GrowingFile(source.path), parser: this.#stream.open() });
    return this;
  }

  /**
   * Reads the next chunk of the first file that has one, unless portions are waiting.
   * @param reading.hasEnd false for files that may grow: their last lines may be incomplete
   * @returns the number of bytes; 0 at the end of the last file
   */
  async read({ hasEnd }: { hasEnd: boolean }): Promise<number> {
    if (this.#waiting.length > 0) return 0;
    for (; this.#current < this.#files.length; this.#current++) {
      const { source, file, parser } = this.#files[this.#current]!;
      const chunk = await file.read();
      if (chunk !== undefined) {
        this.#divide(source, parser.push(chunk));
        return chunk.length;
      }
      if (hasEnd) this.#divide(source, parser.end());
    }
    this.#isEnded = hasEnd;
    return 0;
  }

  /** Removes the portions up to an attempt. */
  take(attempt: number): Portion[] {
    const end = this.#waiting.findIndex((portion) => portion.attempt > attempt);
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  /** Starts again at the first file, because each file may have grown. */
  rewind(): void {
    this.#current = 0;
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.map(({ file }) => file.close()));
  }

  #divide(source: Source, entries: readonly Entry[]): void {
    for (const entry of entries) {
      // An NDJSON item may have any value here; the service refuses invalid ones.
      if ('item' in entry) this.#attempt = Number.isSafeInteger(entry.item.attempt) ? entry.item.attempt! : 0;
      const last = this.#waiting.at(-1);
      if (last?.attempt === this.#attempt && last.source === source) last.entries.push(entry);
      else this.#waiting.push({ source, attempt: this.#attempt, entries: [entry] });
    }
  }
}
