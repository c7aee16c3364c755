import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { HEAD_BYTES } from './format.ts';
import type { Format } from './format.ts';
import { FORMATS, recognise } from './formats.ts';
import { readHead } from './growing-file.ts';
import { isEventFile, tensorboard } from './tensorboard/tensorboard.ts';

/** Name of the folder of a rank by MindFormers, or of the file of a rank by msrun. */
const RANK = /(?:^|[/_.-])(?:rank|worker)[_-]?(\d+)(?=[/_.-]|$)/;

export interface SourceChoices {
  format: Format | undefined;
  run: string | undefined;
  rank: number | undefined;
  /** Finds the rank in a path: its first group. */
  rankPattern: RegExp | undefined;
  /** True when files may appear later, so that a folder may be empty. */
  mayBeEmpty: boolean;
}

/** A file to import. Files of the same run, format and rank are one stream, in this order. */
export interface Source {
  path: string;
  run: string;
  format: Format;
  rank: number;
}

/**
 * Finds the files of paths, with their runs. A folder is searched with its subfolders. As in TensorBoard, each folder with
 * event files is a run, whose name is its path in the named folder.
 * @throws Error for a path without files that can be imported
 */
export async function findSources(paths: readonly string[], choices: SourceChoices): Promise<Source[]> {
  const found: Source[] = [];
  for (const path of paths) found.push(...(await sourcesOf(path, choices)));
  const runs = new Set(found.map(({ run }) => run));
  const isUnclear =
    choices.run === undefined && runs.size > 1 && found.some(({ format }) => format.name !== 'tensorboard');
  if (isUnclear) throw new Error(`the files belong to one run, whose name is not clear: set it with --run NAME`);
  return found.filter(({ path }, k) => found.findIndex((other) => other.path === path) === k);
}

async function sourcesOf(path: string, choices: SourceChoices): Promise<Source[]> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw new Error(`${path} does not exist`, { cause });
  });
  if (!stats.isDirectory()) {
    const format = await formatOf(path, choices);
    if (format === undefined) {
      const names = FORMATS.map(({ name }) => name).join(', ');
      throw new Error(`the format of ${path} is not recognised: set it with --format, to one of ${names}`);
    }
    const folder = basename(dirname(resolve(path)));
    const name = format.name === 'tensorboard' ? folder : basename(path).replace(/(?<=.)\.[^.]*$/, '');
    return [{ path, format, run: choices.run ?? name, rank: rankOf(path, format, choices) }];
  }
  const sources = await sourcesIn(path, choices);
  if (sources.length === 0 && !choices.mayBeEmpty) {
    const kind = choices.format === undefined ? 'no file that can be imported' : `no ${choices.format.title}`;
    throw new Error(`the folder ${path} has ${kind}`);
  }
  return sources;
}

/** Files of a folder: event files, or otherwise the files of other formats. */
async function sourcesIn(folder: string, choices: SourceChoices): Promise<Source[]> {
  const collator = new Intl.Collator('en', { numeric: true });
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted(collator.compare);
  const eventFiles = paths.filter((path) => isEventFile(basename(path)));
  const hasEvents = eventFiles.length > 0 && (choices.format === undefined || choices.format.name === 'tensorboard');
  const sources: Source[] = [];
  for (const path of hasEvents ? eventFiles : paths) {
    const format = await formatOf(path, choices, { isStrict: true });
    if (format === undefined) continue;
    sources.push({ path, format, run: runOf(path, folder, format, choices), rank: rankOf(path, format, choices) });
  }
  return sources;
}

async function formatOf(
  path: string,
  { format }: SourceChoices,
  { isStrict = false }: { isStrict?: boolean } = {},
): Promise<Format | undefined> {
  if (format !== undefined && !isStrict) return format;
  // The name is enough: a folder may have thousands of event files.
  if (isEventFile(basename(path)) && (format ?? tensorboard) === tensorboard) return tensorboard;
  const head = await readHead(path, HEAD_BYTES);
  if (format === undefined) return recognise(basename(path), head);
  return format.recognises(basename(path), head) ? format : undefined;
}

function runOf(path: string, folder: string, format: Format, { run, rankPattern }: SourceChoices): string {
  const own = run ?? basename(resolve(folder));
  // The ranks of one run may have separate folders.
  if (format.name !== 'tensorboard' || rankPattern !== undefined) return own;
  const inside = relative(folder, dirname(path)).split(sep).join('/');
  if (inside === '') return own;
  return run === undefined ? inside : `${run}/${inside}`;
}

/** Rank of a file. Only MindFormers has a default pattern: Megatron-LM logs all ranks, and event files have no rank. */
function rankOf(path: string, format: Format, { rank, rankPattern }: SourceChoices): number {
  if (rank !== undefined) return rank;
  const pattern = rankPattern ?? (format.name === 'mindformers' ? RANK : undefined);
  if (pattern === undefined) return 0;
  const number = pattern.exec(path.split(sep).join('/'))?.[1];
  if (number !== undefined && /^\d+$/.test(number)) return Number(number);
  if (rankPattern !== undefined) throw new Error(`--rank-pattern finds no rank in ${path}`);
  return 0;
}
