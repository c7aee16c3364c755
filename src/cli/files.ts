import { glob, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const EXTENSION = '.safetensors';

/** A file to evaluate. */
export interface FoundFile {
  path: string;
  bytes: number;
}

/**
 * Files that the arguments name, sorted by name (code units), each once. An argument is a file, a folder (meaning its
 * safetensors files), or a pattern.
 * @throws Error for an argument that matches no file
 */
export async function findFiles(patterns: readonly string[]): Promise<FoundFile[]> {
  const found = new Map<string, FoundFile>();
  for (const pattern of patterns) {
    const paths = await pathsOf(pattern);
    if (paths.length === 0) throw new Error(`${pattern}: there is no such file, and none that it matches`);
    for (const path of paths) {
      const { size } = await stat(path);
      if (!found.has(resolve(path))) found.set(resolve(path), { path, bytes: size });
    }
  }
  return [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
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
