/** Reads the replies that recorder.cjs wrote. */
import { closeSync, existsSync, fstatSync, openSync, readSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A reply of the service. */
export interface Reply {
  /** Method and target of the request; undefined when the request could not be parsed. */
  readonly method?: string;
  readonly url?: string;
  readonly status: number;
  /** Headers by lower-case name. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** Body; undefined for an unfinished reply. */
  readonly body: Buffer | undefined;
}

type Head = Omit<Reply, 'body'>;

type Part = { reply: number; bytes: number } & (({ part: 'head' } & Head) | { part: 'body' } | { part: 'end' });

const LINE_FEED = 0x0a;

/** Replies in a folder, read incrementally. */
export class Recordings {
  readonly #folder: string;
  readonly #files = new Map<string, RecordedFile>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Replies that have ended since the last call. */
  *ended(): Generator<Reply> {
    for (const name of existsSync(this.#folder) ? readdirSync(this.#folder) : []) {
      const file = this.#files.get(name) ?? new RecordedFile(join(this.#folder, name));
      this.#files.set(name, file);
      yield* file.ended();
    }
  }

  /** Replies that have begun but not ended. */
  *unfinished(): Generator<Reply> {
    for (const file of this.#files.values()) yield* file.unfinished();
  }
}

/** Replies of one process. */
class RecordedFile {
  readonly #path: string;
  readonly #begun = new Map<number, { head: Head; chunks: Buffer[] }>();
  #offset = 0;

  constructor(path: string) {
    this.#path = path;
  }

  *ended(): Generator<Reply> {
    for (const [part, bytes] of this.#parts()) {
      if (part.part === 'head') {
        const { reply, part: _part, bytes: _bytes, ...head } = part;
        this.#begun.set(reply, { head, chunks: [] });
        continue;
      }
      const { head, chunks } = this.#begun.get(part.reply)!;
      if (part.part === 'body') chunks.push(bytes);
      else {
        this.#begun.delete(part.reply);
        yield { ...head, body: Buffer.concat(chunks) };
      }
    }
  }

  *unfinished(): Generator<Reply> {
    for (const { head } of this.#begun.values()) yield { ...head, body: undefined };
  }

  /** Complete parts that have not been read yet. */
  *#parts(): Generator<[Part, Buffer]> {
    const came = this.#read();
    let at = 0;
    for (;;) {
      const lineEnd = came.indexOf(LINE_FEED, at);
      if (lineEnd < 0) break;
      const part = JSON.parse(came.toString('utf8', at, lineEnd)) as Part;
      const end = lineEnd + 1 + part.bytes;
      if (end > came.byteLength) break;
      at = end;
      yield [part, came.subarray(lineEnd + 1, end)];
    }
    this.#offset += at;
  }

  #read(): Buffer {
    const file = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#offset);
      const length = readSync(file, bytes, 0, bytes.byteLength, this.#offset);
      return bytes.subarray(0, length);
    } finally {
      closeSync(file);
    }
  }
}
