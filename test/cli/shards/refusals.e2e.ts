/** Partials that do not belong together, are damaged, or have another kind. */
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { JSON_TYPE, MSGPACK, Service } from '../../service.ts';
import { PartialSet } from '../../../src/cli/shards/partial-set.ts';
import { readPartial } from '../../../src/cli/shards/read-partial.ts';
import { writeShard } from '../../../src/cli/shards/write-shard.ts';
import type { SavedEvaluation } from '../../../src/pipeline/saved-files.ts';
import { runWithin } from './command.ts';
import { writeFiles } from './small-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-refusals-'));
afterAll(() => rmSync(folder, { recursive: true }));

const files = join(folder, 'files');
const copied = join(folder, 'copied');
writeFiles(files, 7);
writeFiles(copied, 7);

let made = 0;

/** Writes the partials of the given shards. @returns the path of each */
async function write(
  indices: readonly number[],
  {
    command = 'evaluate',
    of = 3,
    args = [files],
  }: { command?: 'evaluate' | 'compare'; of?: number; args?: readonly string[] } = {},
): Promise<string[]> {
  const paths: string[] = [];
  for (const index of indices) {
    const path = join(folder, `${made++}.json`);
    const [code] = await runWithin(command, [...args, '--shard', `${index}/${of}`, '--partial', path]);
    expect(code).toBe(0);
    paths.push(path);
  }
  return paths;
}

const combine = (...args: string[]): Promise<[code: number, text: string]> => runWithin('combine', args);

/** Runs a function without its console output. */
async function muted<T>(run: () => Promise<T>): Promise<T> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  return run().finally(() => log.mockRestore());
}

/** A changed copy of a file. */
function changed(path: string, change: (text: string) => string): string {
  const text = readFileSync(path, 'utf8');
  const copy = join(folder, `${made++}.json`);
  writeFileSync(copy, change(text));
  expect(readFileSync(copy, 'utf8')).not.toBe(text);
  return copy;
}

let whole: string[] = [];
let table = '';

beforeAll(async () => {
  whole = await write([1, 2, 3]);
  table = (await combine(...whole))[1];
});

describe('shards', () => {
  test('that are missing are named, and no result is printed', async () => {
    const some = await write([2, 4, 5, 6, 8], { of: 8 });
    expect(await combine(...some)).toEqual([1, 'shards 1, 3, 7 of 8 are missing']);
    expect(await combine(whole[0]!, whole[2]!)).toEqual([1, 'shard 2 of 3 is missing']);
  });

  test('that are given twice with the same content are counted once, with a sentence', async () => {
    const [again] = await write([2]);
    expect(readFileSync(again!, 'utf8')).toBe(readFileSync(whole[1]!, 'utf8'));
    const sentence = `${whole[1]} and ${again} are both shard 2 of 3, with the same results: it is counted once`;
    expect(await combine(...whole, again!)).toEqual([0, `${sentence}\n${table}`]);
  });

  test('of one list belong together, whatever names it: folders and patterns', async () => {
    const [again] = await write([2], { args: [join(files, '00[0-3]*'), join(files, '00[3-6].safetensors')] });
    expect(await combine(whole[0]!, again!, whole[2]!)).toEqual([0, table]);
  });

  test('that were evaluated by different kernels are combined with a warning', async () => {
    const { head, entries } = await readPartial(whole[1]!);
    const path = join(folder, 'kernel.json');
    const change = { relaxed: 'strict', strict: 'relaxed' } as const;
    const saved = (entries as unknown as SavedEvaluation[]).map(({ evaluation, ...one }) => {
      const kernel = evaluation.kernel.replace(/relaxed|strict/, (name) => change[name as keyof typeof change]);
      return { ...one, evaluation: { ...evaluation, kernel } };
    });
    const { kind, options, tensors, list } = head;
    const places = (entries as { place: number }[]).map(({ place }) => ({ place, path: '', bytes: 0 }));
    await muted(() => writeShard({ index: 2, of: 3, path }, places, saved, { kind, options, tensors, list }));
    const says =
      'the shards were evaluated with the kernels relaxed and strict, so the result may differ from that of one process in the last bits: evaluate all shards with the same --kernel';
    expect(await combine(whole[0]!, path, whole[2]!)).toEqual([0, `${says}\n${table}`]);
  });

  test('that are given twice with other content are refused', async () => {
    const copy = join(folder, 'moved.safetensors');
    const [, second] = readdirSync(files).toSorted();
    copyFileSync(join(files, second!), copy);
    const bytes = readFileSync(copy);
    // Flip a bit in the third byte of the first logit. The length of the header (8 bytes) and the header come first.
    bytes[8 + Number(bytes.readBigUInt64LE()) + 2]! ^= 1;
    writeFileSync(join(files, second!), bytes);
    const [other] = await write([2]);
    copyFileSync(copy, join(files, second!));
    const says = `${whole[1]} and ${other} are both shard 2 of 3, with different results`;
    expect(await combine(...whole, other!)).toEqual([2, says]);
  });
});

describe('partials do not belong together', () => {
  const SIZES = String.raw`\d+ bytes together`;

  const cases: [what: string, how: Parameters<typeof write>[1], says: RegExp][] = [
    ['of the other command', { command: 'compare' }, /they are partials of lossmeter evaluate, and lossmeter compare$/],
    ['of another number of shards', { of: 4 }, /the numbers of shards are 3, and 4$/],
    [
      'of other options',
      { args: [files, '--option', 'label_smoothing=0.1'] },
      /option label_smoothing is not given, and 0\.1$/,
    ],
    ['of other tensors', { args: [files, '--tensor', 'logits=reference'] }, /--tensor logits is not given, and "ref/],
    ['of fewer files', { args: [join(files, '00[0-4]*')] }, new RegExp(`files are 7 of ${SIZES}, and 5 of ${SIZES}$`)],
    [
      'of files of other names',
      { args: [copied] },
      /names or sizes of the files differ: their hashes are [0-9a-f]{12}, and [0-9a-f]{12}$/,
    ],
  ];

  test.each(cases)('%s', async (_what, how, says) => {
    const [other] = await write([2], how);
    const [code, text] = await combine(whole[0]!, other!);
    expect(code).toBe(2);
    expect(text.startsWith(`${whole[0]} and ${other} do not belong together: `)).toBe(true);
    expect(text).toMatch(says);
  });

  test('of another version of Lossmeter', async () => {
    const [one, other] = [await readPartial(whole[0]!), await readPartial(whole[1]!)];
    const set = new PartialSet();
    set.add(one);
    expect(() => set.add({ ...other, head: { ...other.head, lossmeter: '0.0.9' } })).toThrow(
      /they were written by Lossmeter \d+\.\d+\.\d+, and 0\.0\.9/,
    );
  });

  test('of other references', async () => {
    const args = [files, '--tensor', 'reference=logits', '--reference'];
    const [one] = await write([1], { command: 'compare', args: [...args, files] });
    const [other] = await write([2], { command: 'compare', args: [...args, copied] });
    expect((await combine(one!, other!))[1]).toMatch(/do not belong together: names or sizes of the references differ/);
    const [none] = await write([2], { command: 'compare', args: args.slice(0, 3) });
    expect((await combine(one!, none!))[1]).toMatch(/the references are 7 of \d+ bytes together, and none/);
  });
});

describe('a partial is refused', () => {
  const damaged = 'is cut off, or was changed: write the shard again';
  const cases: [what: string, change: (text: string) => string, says: string | RegExp][] = [
    ['that is empty', () => '', 'is empty, expected a partial'],
    ['that ends in its first line', (text) => text.slice(0, 100), damaged],
    ['that ends in the middle', (text) => text.slice(0, text.length / 2), damaged],
    ['that ends at the end of a line', (text) => `${text.split('\n').slice(0, 2).join('\n')}\n`, damaged],
    ['that lacks its last byte', (text) => text.slice(0, -1), damaged],
    ['with more after its end', (text) => `${text}{}\n`, damaged],
    ['with another number', (text) => text.replace(/"numerator":\d/, '"numerator":7.'), damaged],
    ['with another head', (text) => text.replace('"of":3', '"of":2'), damaged],
    ['without a file', (text) => text.split('\n').toSpliced(1, 1).join('\n'), damaged],
    [
      'with another hash',
      (text) => text.replace(/"sha256":"[0-9a-f]{8}(?=[0-9a-f]*"\}\n$)/, '"sha256":"00000000'),
      damaged,
    ],
    [
      'of another kind',
      (text) => text.replace('evaluation_shard', 'training_shard'),
      'is of the kind "training_shard", expected evaluation_shard or comparison_shard',
    ],
    [
      'of a later format',
      (text) => text.replace('"format":1', '"format":2'),
      /has the format 2 of Lossmeter "\d.*", expected 1/,
    ],
    [
      'that is another document',
      () => '{"total":{}}',
      'was not written by --partial, expected a partial of lossmeter evaluate or lossmeter compare',
    ],
    ['that is no text', () => '\u0000'.repeat(3_000_000), 'was not written by --partial'],
  ];

  test.each(cases)('%s', async (_what, change, says) => {
    const path = changed(whole[0]!, change);
    const [code, text] = await combine(path, ...whole.slice(1));
    expect(code).toBe(2);
    expect(text.startsWith(`${path} `)).toBe(true);
    expect(text).toMatch(says);
  });

  test('with any of its bytes changed', async () => {
    const bytes = readFileSync(whole[0]!);
    const path = join(folder, 'flipped.json');
    for (let at = 0; at < bytes.length; at += 97) {
      const copy = Buffer.from(bytes);
      copy[at]! ^= 1;
      writeFileSync(path, copy);
      expect((await combine(path, ...whole.slice(1)))[0], `byte ${at}`).toBe(2);
    }
  });

  test('--fail-if with partials of evaluations', async () => {
    const [code, text] = await combine(...whole, '--fail-if', 'mean>1');
    expect([code, text]).toEqual([2, expect.stringContaining('--fail-if applies to comparisons only')]);
  });
});

describe('of a partial of a shard of the vocabulary', () => {
  const service = Service.start();
  const path = '/v1/cross-entropy/combine';
  const request = { vocab_start: 0, vocab_size: 2, logits: [[1, 2]], label: [0] };

  test.each([JSON_TYPE, MSGPACK])('as %s: lossmeter combine says who merges it', async (type) => {
    const headers = { accept: type };
    const response = await fetch(`${service.url}/v1/cross-entropy/partials`, {
      method: 'POST',
      headers: { 'content-type': JSON_TYPE, accept: type },
      body: JSON.stringify(request),
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, headers.accept]);
    const other = join(folder, 'vocabulary.json');
    writeFileSync(other, Buffer.from(await response.arrayBuffer()));
    const says = `${other} is the partial of a shard of the vocabulary, which POST ${path} merges, expected a partial of lossmeter evaluate or lossmeter compare`;
    expect(await combine(other)).toEqual([2, says]);
  });

  test.each([['evaluate'], ['compare']] as const)(
    `POST ${path} refuses that of lossmeter %s by name`,
    async (command) => {
      const [written] = await write([1], { command });
      const partials = [JSON.parse(readFileSync(written!, 'utf8')) as object];
      const { status, body } = await service.post({ partials }, { path });
      expect([status, body.code]).toEqual([422, 'invalid_partial']);
      const kind = command === 'evaluate' ? 'evaluation_shard' : 'comparison_shard';
      expect(body.detail).toContain(
        `partials[0] is of the kind "${kind}", which the command lossmeter combine merges, expected version`,
      );
    },
  );
});

test('a partial that cannot be written leaves the one before, and no other file', async () => {
  const [path] = await write([1]);
  const before = [readFileSync(path!, 'utf8'), readdirSync(folder)];
  const { kind, options, tensors, list } = (await readPartial(path!)).head;
  const target = { index: 1, of: 3, path: path! };
  // JSON cannot represent a BigInt: writing fails at the second entry, after the first is written.
  const saved = [{}, { count: 1n }];
  const places = [0, 3].map((place) => ({ place, path: '', bytes: 0 }));
  const writing = muted(() => writeShard(target, places, saved, { kind, options, tensors, list }));
  await expect(writing).rejects.toThrow('BigInt');
  expect([readFileSync(path!, 'utf8'), readdirSync(folder)]).toEqual(before);
});

test.each(['evaluate', 'compare', 'combine'] as const)('%s --help explains shards', async (command) => {
  const [code, text] = await runWithin(command, ['--help']);
  expect([code, text]).toEqual([
    0,
    expect.stringContaining(command === 'combine' ? '--shard or lossmeter compare' : '--shard I/N'),
  ]);
});

test('combine without partials is refused with its usage', async () => {
  expect(await combine()).toEqual([2, expect.stringMatching(/^usage: lossmeter combine[^]*\n\nno partial is named$/)]);
  expect(await combine(join(folder, 'none.json'))).toEqual([2, expect.stringContaining('no file has this name')]);
  expect(await combine(files)).toEqual([2, `${files}: the folder has no file *.json`]);
});

test('a partial cannot be written to a folder that does not exist: nothing is evaluated first', async () => {
  const path = join(folder, 'nowhere', 'out.json');
  const [code, text] = await runWithin('evaluate', ['missing*', files, '--shard', '1/2', '--partial', path]);
  expect([code, text]).toEqual([2, expect.stringContaining('missing*: no file has this name or matches it')]);
  const outcome = await runWithin('evaluate', [files, '--shard', '1/2', '--partial', path]);
  expect(outcome).toEqual([2, `--partial is ${path}, expected a file in a folder that can be written to`]);
});
