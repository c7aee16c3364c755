import { glob, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isObjectName } from '../files/objects/object-name.ts';
import type { PathFiles } from '../files/path-files.ts';

const EXTENSION = '.safetensors';

/** A file to evaluate. */
export interface FoundFile {
  path: string;
  bytes: number;
}

/**
 * Files that the arguments name, sorted by name (code units), each once. An argument is a file, a folder (meaning its
 * safetensors files), or a pattern; each of them also in object storage, where a folder is a prefix that ends with `/`.
 * @throws Error for an argument that matches no file
 */
export async function findFiles(patterns: readonly string[], files: PathFiles): Promise<FoundFile[]> {
  const found = new Map<string, FoundFile>();
  for (const pattern of patterns) {
    const named = isObjectName(pattern) ? await files.storage.find(pattern) : await localFilesOf(pattern);
    if (named.length === 0) throw new Error(`${pattern}: there is no such file, and none that it matches`);
    for (const file of named) {
      const place = isObjectName(file.path) ? file.path : resolve(file.path);
      if (!found.has(place)) found.set(place, file);
    }
  }
  return [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function localFilesOf(pattern: string): Promise<FoundFile[]> {
  const paths = await pathsOf(pattern);
  return Promise.all(paths.map(async (path) => ({ path, bytes: (await stat(path)).size })));
}

async function pathsOf(pattern: string): Promise<string[]> {
  const stats = await stat(pattern).catch(() => undefined);
  if (stats?.isDirectory() === true) {
    const names = (await readdir(pattern)).filter((name) => name.endsWith(EXTENSION));
    if (names.length === 0) throw new Error(`${pattern}: the folder has no file *${EXTENSION}`);
    return names.map((name) => join(pattern, name));
  }
  if (stats !== undefined) return [pattern];
  const matches: string[] = [];
  for await (const path of glob(pattern)) {
    if (!(await stat(path)).isDirectory()) matches.push(path);
  }
  return matches;
}
