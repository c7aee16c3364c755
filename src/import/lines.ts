import { StringDecoder } from 'node:string_decoder';
import type { Parser } from './format.ts';
import type { Entry } from './item.ts';

/** Maximum number of characters of a line. A file with a longer line is not a text of lines. */
const MOST_CHARACTERS = 16 * 2 ** 20;

/** Lines of a text that arrives in chunks, with their numbers from 1. */
export class Lines {
  readonly #decoder = new StringDecoder('utf8');
  #pending = '';
  #count = 0;

  /** Complete lines, without their ends. @throws Error for a line that is too long */
  push(bytes: Buffer): { line: string; at: number }[] {
    const lines = (this.#pending + this.#decoder.write(bytes)).split('\n');
    this.#pending = lines.pop()!;
    if (this.#pending.length > MOST_CHARACTERS) {
      throw new Error(`line ${this.#count + lines.length + 1} has more than ${MOST_CHARACTERS} characters`);
    }
    return lines.map((line) => this.#number(line));
  }

  /** The last line, when no newline ends it. */
  end(): { line: string; at: number }[] {
    const rest = this.#pending + this.#decoder.end();
    this.#pending = '';
    return rest === '' ? [] : [this.#number(rest)];
  }

  #number(line: string): { line: string; at: number } {
    this.#count += 1;
    return { line: line.endsWith('\r') ? line.slice(0, -1) : line, at: this.#count };
  }
}

/** Parser of a file whose lines are read one by one. @param read entries of a line */
export function lineParser(read: (line: string, at: number) => Entry[]): Parser {
  const lines = new Lines();
  const readEach = (some: { line: string; at: number }[]): Entry[] => some.flatMap(({ line, at }) => read(line, at));
  return { push: (bytes) => readEach(lines.push(bytes)), end: () => readEach(lines.end()) };
}

/** First complete lines of a file's head. */
export function headLines(head: Buffer): string[] {
  return head
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/);
}
