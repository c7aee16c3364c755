import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LossmeterError } from '../errors.ts';
import { showValue } from '../suggestion.ts';
import { afterFolder, isPattern, matchesFile, withoutStars } from './name-pattern.ts';
import { SAFETENSORS } from './safetensors-file.ts';

/** Maximum number of files and folders that one search visits. */
const MOST_ENTRIES = 200_000;

/** A file of a folder. */
export interface NamedFile {
  /** Path below the folder. */
  name: string;
  bytes: number;
}

/** A search in a folder. */
export interface FileSearch {
  /** Maximum number of files to find. */
  most: number;
  /** Throws for a file or folder that may not be read. */
  requireAllowed: (name: string) => Promise<void>;
}

/**
 * Files below a folder, sorted by name (code units), each once. A name is the name of a file or of a folder (meaning its
 * safetensors files), or a pattern. Patterns do not follow symbolic links to folders, and do not match
 * links that lead out of the folder.
 * @throws LossmeterError file_unreadable for a name without a file, invalid_option for too many files
 */
export async function findFiles(
  root: string,
  names: readonly string[],
  { most, requireAllowed }: FileSearch,
): Promise<NamedFile[]> {
  const found = new Map<string, NamedFile>();
  const budget = { entries: MOST_ENTRIES };
  const isAllowed = (name: string): Promise<boolean> =>
    requireAllowed(name).then(
      () => true,
      () => false,
    );
  const add = (name: string, bytes: number): void => {
    found.set(name, { name, bytes });
    if (found.size <= most) return;
    throw new LossmeterError(
      'invalid_option',
      `the names match more than ${most} files, the maximum of a job: divide the job`,
    );
  };
  for (const given of names) {
    const name = given
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .join('/');
    let matches = 0;
    for await (const file of isPattern(name)
      ? walk(root, name.split('/'), { budget, isAllowed })
      : named(root, name, requireAllowed)) {
      matches++;
      add(file.name, file.bytes);
    }
    if (matches > 0) continue;
    const detail = `${showValue(given)}: no file of the data directory has this name or matches it`;
    throw new LossmeterError('file_unreadable', detail);
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The file with a name, or the safetensors files of the folder with the name. */
async function* named(
  root: string,
  name: string,
  requireAllowed: FileSearch['requireAllowed'],
): AsyncGenerator<NamedFile, void> {
  const stats = await stat(join(root, name)).catch(() => undefined);
  if (stats === undefined) return;
  await requireAllowed(name);
  if (!stats.isDirectory()) {
    yield { name, bytes: stats.size };
    return;
  }
  const entries = await readdir(join(root, name));
  for (const entry of entries.filter((one) => one.endsWith(SAFETENSORS))) {
    yield* named(root, name === '' ? entry : `${name}/${entry}`, requireAllowed);
  }
}

/** Files that match a pattern. */
async function* walk(
  root: string,
  segments: string[],
  { budget, isAllowed }: { budget: { entries: number }; isAllowed: (name: string) => Promise<boolean> },
): AsyncGenerator<NamedFile, void> {
  const folders = [{ folder: '', at: withoutStars(segments, [0]) }];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const { folder, at } = next;
    const entries: Dirent[] = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
    budget.entries -= entries.length;
    if (budget.entries < 0) {
      const detail = `the search exceeds ${MOST_ENTRIES} files and folders, the maximum: name a folder before the first *`;
      throw new LossmeterError('invalid_option', detail);
    }
    for (const entry of entries) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        const inner = afterFolder(segments, at, entry.name);
        if (inner.size > 0) folders.push({ folder: name, at: inner });
      } else if (matchesFile(segments, at, entry.name)) {
        if (entry.isSymbolicLink() && !(await isAllowed(name))) continue;
        const stats = await stat(join(root, name)).catch(() => undefined);
        if (stats?.isFile() === true) yield { name, bytes: stats.size };
      }
    }
  }
}
