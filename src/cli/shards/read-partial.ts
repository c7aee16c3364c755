import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Value } from '#typebox';
import { showValue } from '../../suggestion.ts';
import { parseExact } from './exact-json.ts';
import { BEGIN, COMMANDS, END, FORMAT, PartialHead } from './partial.ts';
import type { PartialEntry } from './partial.ts';
import { placesOf } from './shard.ts';

/** A partial that was read. */
export interface ReadPartial {
  path: string;
  head: PartialHead;
  entries: PartialEntry[];
  /** Hash of the head and the entries. */
  sha256: string;
}

/** Beginning of every partial of files. */
const PREFIX = '{"kind":"';

/** Name that occurs in every partial of a shard of the vocabulary, in any format. */
const OF_VOCABULARY = 'lossmeter_partial';

/** Longest line: a string of V8 has less than 2^29 characters. */
const MOST_LINE_BYTES = 2 ** 29 - 64;

/** Maximum length of the first line, in bytes. A foreign file is identified from this part of it. */
const MOST_HEAD_BYTES = 2 ** 20;

/** Reads a partial and checks it. @throws Error that names the file and the fault */
export async function readPartial(path: string): Promise<ReadPartial> {
  const wrong = (what: string): Error => new Error(`${path} ${what}`);
  const cutOff = (): Error => wrong('is cut off, or was changed: write the shard again');
  const hash = createHash('sha256');
  let head: PartialHead | undefined;
  let sha256: string | undefined;
  const entries: PartialEntry[] = [];
  for await (const line of linesOf(path)) {
    if (sha256 !== undefined) throw cutOff();
    if (line.isTooLong) throw head === undefined ? foreign(path, line.bytes) : cutOff();
    if (head === undefined) {
      head = readHead(path, line.bytes, cutOff);
    } else if (line.bytes.subarray(0, END.length).toString('latin1') === END) {
      hash.update(END);
      sha256 = hash.digest('hex');
      if (line.bytes.toString('latin1') !== `${END}${sha256}"}\n`) throw cutOff();
      continue;
    } else {
      entries.push(readEntry(line.bytes, cutOff));
    }
    hash.update(line.bytes);
  }
  if (head === undefined) throw wrong('is empty, expected a partial');
  if (sha256 === undefined) throw cutOff();
  requireEntries(head, entries, wrong);
  return { path, head, entries, sha256 };
}

/** @throws Error */
function readHead(path: string, line: Buffer, cutOff: () => Error): PartialHead {
  const text = line.toString();
  if (!text.startsWith(PREFIX)) throw foreign(path, line);
  const head = parsed(`${text.slice(0, -BEGIN.length - 1)}}`) as Partial<PartialHead> | undefined;
  if (head === undefined || !text.endsWith(`${BEGIN}\n`)) throw cutOff();
  const { kind, format, lossmeter } = head;
  if (!Object.hasOwn(COMMANDS, String(kind))) {
    throw new Error(`${path} is of the kind ${showValue(kind)}, expected ${Object.keys(COMMANDS).join(' or ')}`);
  }
  if (format !== FORMAT) {
    const writer = `Lossmeter ${showValue(lossmeter)}`;
    throw new Error(`${path} has the format ${showValue(format)} of ${writer}, expected ${FORMAT}`);
  }
  if (!Value.Check(PartialHead, head)) throw cutOff();
  return head;
}

/** Error for a file that is not a partial of files. */
function foreign(path: string, beginning: Buffer): Error {
  const expected = `expected a partial of ${Object.values(COMMANDS).join(' or ')}`;
  if (beginning.includes(OF_VOCABULARY)) {
    const other = 'a shard of the vocabulary, which POST /v1/cross-entropy/combine merges';
    return new Error(`${path} is the partial of ${other}, ${expected}`);
  }
  return new Error(`${path} was not written by --partial, ${expected}`);
}

function readEntry(line: Buffer, cutOff: () => Error): PartialEntry {
  const entry = parsed(line.toString().replace(/,?\n$/, ''));
  if (typeof entry !== 'object' || entry === null) throw cutOff();
  return entry as PartialEntry;
}

function parsed(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}

/** @throws Error when the entries are not the files of the shard */
function requireEntries({ shard, list }: PartialHead, entries: PartialEntry[], wrong: (what: string) => Error): void {
  if (shard.index < 1 || shard.index > shard.of) throw wrong(`is shard ${shard.index} of ${shard.of}`);
  const places = placesOf(shard, list.files);
  if (places.length === entries.length && places.every((place, k) => entries[k]!.place === place)) return;
  throw wrong(`has ${entries.length} files, expected the ${places.length} of shard ${shard.index} of ${shard.of}`);
}

/** A line with its newline. A line that is too long is cut, and is the last one. */
interface Line {
  bytes: Buffer;
  isTooLong: boolean;
}

async function* linesOf(path: string): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let length = 0;
  let most = MOST_HEAD_BYTES;
  for await (const chunk of createReadStream(path, { highWaterMark: MOST_HEAD_BYTES }) as AsyncIterable<Buffer>) {
    let from = 0;
    while (from < chunk.length) {
      const end = chunk.indexOf(0x0a, from);
      const part = chunk.subarray(from, end < 0 ? chunk.length : end + 1);
      from += part.length;
      parts.push(part);
      length += part.length;
      const isTooLong = length > most;
      if (end < 0 && !isTooLong) continue;
      yield { bytes: Buffer.concat(parts), isTooLong };
      if (isTooLong) return;
      parts = [];
      length = 0;
      most = MOST_LINE_BYTES;
    }
  }
  if (length > 0) yield { bytes: Buffer.concat(parts), isTooLong: false };
}
