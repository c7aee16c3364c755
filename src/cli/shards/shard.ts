/** Division of a list of files among processes. */
import { createHash } from 'node:crypto';
import type { FoundFile } from '../files.ts';
import { UsageError } from '../usage.ts';

/** A shard of a list of files. */
export interface Shard {
  /** From 1. */
  index: number;
  /** Number of shards. */
  of: number;
}

/** A shard to evaluate, and the file to which its results are written. */
export interface WantedShard extends Shard {
  path: string;
}

/** Maximum number of shards of a list. */
const MOST_SHARDS = 1_000_000;

/** Arguments of a shard, for parseArgs. */
export const SHARD_ARGUMENTS = {
  shard: { type: 'string' },
  partial: { type: 'string' },
} as const;

export const SHARD_USAGE = `  --shard I/N          evaluate only shard I of N, 1 ≤ I ≤ N: every Nth file,
                       beginning with file I; requires --partial
  --partial PATH       write the results of the shard, for lossmeter combine`;

/** @returns undefined when all files are to be evaluated @throws UsageError */
export function readShard({
  shard,
  partial: path,
  json,
  'fail-if': bounds,
}: {
  shard?: string | undefined;
  partial?: string | undefined;
  json?: boolean | undefined;
  'fail-if'?: readonly string[] | undefined;
}): WantedShard | undefined {
  if (shard === undefined && path === undefined) return undefined;
  if (shard === undefined) throw new UsageError('--partial is given without --shard, expected both');
  if (path === undefined) throw new UsageError('--shard is given without --partial, expected both');
  if (json === true) throw new UsageError('--json needs the result of all files: give it to lossmeter combine');
  if (bounds !== undefined)
    throw new UsageError('--fail-if needs the result of all files: give it to lossmeter combine');
  const match = /^(?<index>\d{1,7})\/(?<of>\d{1,7})$/.exec(shard);
  const [index, of] = [Number(match?.groups?.['index']), Number(match?.groups?.['of'])];
  if (index >= 1 && index <= of && of <= MOST_SHARDS) return { index, of, path };
  throw new UsageError(`--shard is ${shard}, expected I/N such as 3/64, with 1 ≤ I ≤ N ≤ ${MOST_SHARDS}`);
}

/** A file, and its place in the list. */
export interface ListedFile extends FoundFile {
  /** From 0. */
  place: number;
}

/** Places of a shard in a list: I − 1, I − 1 + N, and so on. */
export function placesOf({ index, of }: Shard, files: number): number[] {
  return Array.from({ length: Math.max(0, Math.ceil((files - index + 1) / of)) }, (_, k) => index - 1 + k * of);
}

/** Files of a shard; all files without one. */
export function filesOf(shard: Shard | undefined, files: readonly FoundFile[]): ListedFile[] {
  return placesOf(shard ?? { index: 1, of: 1 }, files.length).map((place) => ({ ...files[place]!, place }));
}

/** Facts by which lists of files are compared. */
export interface ListDigest {
  files: number;
  bytes: number;
  /** Hash of the names and sizes. */
  sha256: string;
}

export function digestOf(files: readonly FoundFile[]): ListDigest {
  const hash = createHash('sha256');
  let total = 0;
  for (const { path, bytes } of files) {
    hash.update(`${JSON.stringify([path, bytes])}\n`);
    total += bytes;
  }
  return { files: files.length, bytes: total, sha256: hash.digest('hex') };
}
