import { isDeepStrictEqual } from 'node:util';
import { listNumbers } from './list-numbers.ts';
import { COMMANDS } from './partial.ts';
import type { PartialHead } from './partial.ts';
import type { ReadPartial } from './read-partial.ts';

/** Partials of the shards of one list of files. Their order does not matter. */
export class PartialSet {
  readonly #byIndex = new Map<number, ReadPartial>();
  #first: ReadPartial | undefined;
  /** Sentences about partials that are the same as others. */
  readonly repeated: string[] = [];

  /** @throws Error when it does not belong to the others */
  add(partial: ReadPartial): void {
    this.#first ??= partial;
    requireSameSet(this.#first, partial);
    const { index, of } = partial.head.shard;
    const known = this.#byIndex.get(index);
    if (known === undefined) {
      this.#byIndex.set(index, partial);
      return;
    }
    const both = `${known.path} and ${partial.path} are both shard ${index} of ${of}`;
    if (known.sha256 !== partial.sha256) throw new Error(`${both}, with different results`);
    this.repeated.push(`${both}, with the same results: it is counted once`);
  }

  /** All partials, each shard once. */
  get partials(): ReadPartial[] {
    return [...this.#byIndex.values()];
  }

  /** Sentence that names the missing shards; undefined when there are none. */
  get missing(): string | undefined {
    const of = this.#first?.head.shard.of ?? 0;
    const missing = Array.from({ length: of }, (_, k) => k + 1).filter((index) => !this.#byIndex.has(index));
    if (missing.length === 0) return undefined;
    const [noun, verb] = missing.length === 1 ? ['shard', 'is'] : ['shards', 'are'];
    return `${noun} ${listNumbers(missing)} of ${of} ${verb} missing`;
  }
}

/** @throws Error */
function requireSameSet(a: ReadPartial, b: ReadPartial): void {
  const difference = differenceOf(a.head, b.head);
  if (difference === undefined) return;
  const [what, one, other] = difference;
  throw new Error(`${a.path} and ${b.path} do not belong together: ${what} ${one}, and ${other}`);
}

type Difference = readonly [what: string, one: string, other: string];

/** The first difference between two shards. */
function differenceOf(a: PartialHead, b: PartialHead): Difference | undefined {
  if (a.kind !== b.kind) return ['they are partials of', COMMANDS[a.kind], COMMANDS[b.kind]];
  if (a.lossmeter !== b.lossmeter) return ['they were written by Lossmeter', a.lossmeter, b.lossmeter];
  if (a.shard.of !== b.shard.of) return ['the numbers of shards are', String(a.shard.of), String(b.shard.of)];
  return (
    differingEntry('option', a.options, b.options) ??
    differingEntry('--tensor', a.tensors, b.tensors) ??
    differingList('files', a.list, b.list) ??
    differingList('references', a.references, b.references) ??
    (isDeepStrictEqual(a.chunks, b.chunks) ? undefined : ['the logit file has', chunksIn(a), chunksIn(b)])
  );
}

function differingEntry(
  what: string,
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): Difference | undefined {
  const name = [...new Set([...Object.keys(a), ...Object.keys(b)])].find((one) => !isDeepStrictEqual(a[one], b[one]));
  if (name === undefined) return undefined;
  const shown = (value: unknown): string => (value === undefined ? 'not given' : JSON.stringify(value));
  return [`${what} ${name} is`, shown(a[name]), shown(b[name])];
}

function differingList(
  what: string,
  a: PartialHead['references'],
  b: PartialHead['references'],
): Difference | undefined {
  if (isDeepStrictEqual(a, b)) return undefined;
  const shown = (list: typeof a): string =>
    list === undefined ? 'none' : `${list.files} of ${list.bytes} bytes together`;
  if (shown(a) !== shown(b)) return [`the ${what} are`, shown(a), shown(b)];
  const hash = (list: typeof a): string => list!.sha256.slice(0, 12);
  return [`names or sizes of the ${what} differ: their hashes are`, hash(a), hash(b)];
}

function chunksIn({ chunks }: PartialHead): string {
  return chunks === undefined ? 'no chunks' : `${chunks.length} chunks of ${chunks[0]} rows`;
}
