import { glob, readdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isObjectName } from '../files/objects/object-name.ts';
import type { ObjectStorage } from '../files/objects/object-storage.ts';
import { SAFETENSORS } from '../files/safetensors-file.ts';

/** A file to evaluate. */
export interface FoundFile {
  path: string;
  bytes: number;
}

/** Maximum number of names in the message about repeated files. */
const MOST_NAMES = 8;

/**
 * Files that the arguments name, sorted by name (code units). An argument is a file, a folder (meaning its safetensors
 * files), or a pattern; each of them also in object storage, where a folder is a prefix that ends with `/`. A repeated file
 * is in the list once, under its first name; a message on the standard error output reports it.
 * @param options.links `same`: a symbolic link is the file that it leads to; `distinct`: it is a file of its own
 * @throws Error for an argument that matches no file
 */
export async function findFiles(
  patterns: readonly string[],
  storage: Pick<ObjectStorage, 'find'>,
  { links = 'same' }: { links?: 'same' | 'distinct' } = {},
): Promise<FoundFile[]> {
  const found = new Map<string, FoundFile>();
  const again = new Set<string>();
  for (const pattern of patterns) {
    const named = isObjectName(pattern) ? await storage.find(pattern) : await localFilesOf(pattern);
    if (named.length === 0) throw new Error(`${pattern}: no file has this name or matches it`);
    for (const file of named) {
      const { path } = file;
      const place = isObjectName(path) ? path : links === 'same' ? await realpath(path) : resolve(path);
      const first = found.get(place);
      if (first === undefined) found.set(place, file);
      else again.add(first.path === path ? path : `${path} (the same file as ${first.path})`);
    }
  }
  if (again.size > 0) console.error(describeRepeated([...again]));
  return [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function describeRepeated(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMES);
  if (names.length > shown.length) shown.push(`and ${names.length - shown.length} more`);
  return `these files are named more than once, but are counted once: ${shown.join('; ')}`;
}

async function localFilesOf(pattern: string): Promise<FoundFile[]> {
  const paths = await pathsOf(pattern);
  return Promise.all(paths.map(async (path) => ({ path, bytes: (await stat(path)).size })));
}

async function pathsOf(pattern: string): Promise<string[]> {
  const stats = await stat(pattern).catch(() => undefined);
  if (stats?.isDirectory() === true) {
    const names = (await readdir(pattern)).filter((name) => name.endsWith(SAFETENSORS)).toSorted();
    if (names.length === 0) throw new Error(`${pattern}: the folder has no file *${SAFETENSORS}`);
    return names.map((name) => join(pattern, name));
  }
  if (stats !== undefined) return [pattern];
  const matches: string[] = [];
  for await (const path of glob(pattern)) {
    if (!(await stat(path)).isDirectory()) matches.push(path);
  }
  return matches.toSorted();
}
