import { createHash, randomBytes } from 'node:crypto';
import { access, constants, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { VERSION } from '../../version.ts';
import { stringifyExact } from './exact-json.ts';
import { BEGIN, END, FORMAT } from './partial.ts';
import type { PartialEntry, PartialHead } from './partial.ts';
import type { ListedFile, WantedShard } from './shard.ts';

/** Checks the folder of a partial before its shard is evaluated. @throws Error */
export async function requireWritable(path: string): Promise<void> {
  const folder = dirname(path);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isDirectory() === true) throw new Error(`${path} is a folder`);
  } catch (cause) {
    throw new Error(`--partial is ${path}, expected a file in a folder that can be written to`, { cause });
  }
}

/** Writes the results of a shard, and prints a message. @param saved results of its files, in their order */
export async function writeShard(
  { index, of, path }: WantedShard,
  files: readonly ListedFile[],
  saved: readonly object[],
  { kind, ...facts }: Omit<PartialHead, 'format' | 'lossmeter' | 'shard'>,
): Promise<void> {
  const head = { kind, format: FORMAT, lossmeter: VERSION, shard: { index, of }, ...facts } as const;
  const entries = saved.map((one, k) => ({ place: files[k]!.place, ...one }));
  await writePartial(path, head, entries);
  console.log(`${path}: shard ${index} of ${of}, ${files.length} of ${facts.list.files} files`);
}

/**
 * Writes a partial: a JSON document with a line per file, whose last line is the hash of the lines before. A file of
 * another name is written and renamed, so that other processes see the whole partial or none.
 */
async function writePartial(path: string, head: PartialHead, entries: Iterable<PartialEntry>): Promise<void> {
  // Processes in different containers can have the same id, so an id would not distinguish two attempts.
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  const file = await open(temporary, 'w');
  try {
    const hash = createHash('sha256');
    const write = async (text: string): Promise<void> => {
      const bytes = Buffer.from(text);
      hash.update(bytes);
      await file.appendFile(bytes);
    };
    await write(`${stringifyExact(head).slice(0, -1)}${BEGIN}`);
    let separator = '\n';
    for (const entry of entries) {
      await write(`${separator}${stringifyExact(entry)}`);
      separator = ',\n';
    }
    await write(`\n${END}`);
    await file.appendFile(`${hash.digest('hex')}"}\n`);
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close();
    await rm(temporary, { force: true });
    throw error;
  }
}
