/** Parses files as an import does: whole, or in chunks. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Format, ReadOptions } from '../../src/import/format.ts';
import type { Entry, Item } from '../../src/import/item.ts';

export const FIXTURES = path.resolve(import.meta.dirname, '../fixtures/import');

const OPTIONS: ReadOptions = { rank: 0, attempt: 0, excluded: / vs samples$/, columns: {} };

/** Parses the files of one stream. @param chunk bytes of each chunk; default the whole file */
export function parse(
  format: Format,
  files: readonly (Buffer | string)[],
  { chunk = Infinity, ...options }: Partial<ReadOptions> & { chunk?: number } = {},
): Entry[] {
  const stream = format.stream({ ...OPTIONS, ...options });
  return files.flatMap((file) => {
    const bytes = Buffer.from(file);
    const parser = stream.open();
    const entries: Entry[] = [];
    for (let at = 0; at < bytes.length; at += chunk) entries.push(...parser.push(bytes.subarray(at, at + chunk)));
    return [...entries, ...parser.end()];
  });
}

/** Items of entries. @throws Error when an entry is a refusal or a note */
export function itemsOf(entries: readonly Entry[]): Item[] {
  return entries.map((entry) => {
    if ('item' in entry) return entry.item;
    throw new Error(JSON.stringify(entry));
  });
}

export const fixture = (name: string): Buffer => readFileSync(path.join(FIXTURES, name));
