import type { Entry } from './item.ts';

/** Options of an import that the formats use. */
export interface ReadOptions {
  /** Name of the loss: a tag, a column or a key of the log. Undefined for the usual names. */
  loss?: string | undefined;
  /** Rank of a file, for items without a rank. */
  rank: number;
  /** Attempt of the first items. A resumed run within the files increments it. */
  attempt: number;
  /** Tags of TensorBoard that are left out. */
  excluded: RegExp;
  /** Names of columns by the fields of an item, for CSV. */
  columns: Readonly<Record<string, string>>;
}

/** Parser of one file, which is read in chunks. */
export interface Parser {
  /** Returns the entries that the next bytes of the file complete. */
  push(bytes: Buffer): Entry[];
  /** Returns the entries of the remaining bytes at the end of the file. */
  end(): Entry[];
}

/** Files of one run, or of one rank of a run, in order. State such as the attempt is carried from file to file. */
export interface Stream {
  /** Begins the next file. */
  open(): Parser;
}

export interface Format {
  name: string;
  title: string;
  /** Unit of the places of entries. */
  unit: 'line' | 'offset';
  /** True for files of this format, by the name and the first bytes. */
  recognises(name: string, head: Buffer): boolean;
  stream(options: ReadOptions): Stream;
}

/** Bytes at the beginning of a file by which its format is recognised. */
export const HEAD_BYTES = 64 * 1024;
