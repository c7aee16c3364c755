import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LogitFile } from '../../src/files/logit-file.ts';
import { localOpener } from '../../src/files/open-file.ts';
import { logitFile, quantise } from '../logit-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-logit-file-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'a.kld');

async function opened(bytes: Uint8Array): Promise<LogitFile> {
  writeFileSync(path, bytes);
  return LogitFile.open(localOpener(path, { name: 'a.kld' }));
}

const row = (classes: number): ReturnType<typeof quantise> =>
  quantise(Array.from({ length: classes }, (_, c) => -1 - c / 4));

/** A logit file whose tokens ascend from 0 and wrap at the number of classes. */
const fileOf = (context: number, classes: number, chunks: number): Buffer =>
  logitFile({
    context,
    classes,
    tokens: Array.from({ length: chunks * context }, (_, at) => at % classes),
    rows: Array.from({ length: chunks * (context - 1 - Math.floor(context / 2)) }, () => row(classes)),
  });

test.each([
  // Tokens of the two chunks: 0 1 2 3 | 4 5 6 7. The labels are the tokens after the first one of the second half.
  { context: 4, classes: 8, chunks: 2, labels: [3, 7], rowBytes: 24 },
  { context: 5, classes: 13, chunks: 2, labels: [3, 4, 8, 9], rowBytes: 36 },
  { context: 3, classes: 5, chunks: 3, labels: [2, 0, 3], rowBytes: 20 },
])('$chunks chunks of $context tokens have the labels $labels', async (expected) => {
  const { context, classes, chunks, labels, rowBytes } = expected;
  const file = await opened(fileOf(context, classes, chunks));
  const { readLabels, range, ...numbers } = file.rows('reference');
  expect(numbers).toEqual({ chunks, rowsPerChunk: labels.length / chunks, classes });
  expect(range).toMatchObject({ position: 20 + 4 * chunks * context, byteLength: labels.length * rowBytes });
  expect([...(await readLabels())]).toEqual(labels);
  await file.close();
});

test('tokens of many reads are read in order, and the wrong one is named', async () => {
  const [context, chunks, classes] = [1001, 40, 3];
  const tokens = Array.from({ length: chunks * context }, (_, at) => (at * 7 + Math.floor(at / 11)) % classes);
  const rows = Array.from({ length: chunks * 500 }, () => row(classes));
  const file = await opened(logitFile({ context, classes, tokens, rows }));
  const expected = tokens.filter((_, at) => at % context > 500);
  expect([...(await file.rows('reference').readLabels())]).toEqual(expected);
  await file.close();
  const wrong = await opened(logitFile({ context, classes, tokens: tokens.with(33_333, classes), rows }));
  await expect(wrong.rows('reference').readLabels()).rejects.toMatchObject({
    code: 'invalid_file',
    message: 'token 33333 of a.kld is 3, expected a class in [0, 3), its n_vocab',
  });
  await wrong.close();
});

/** A header with the given numbers, without tokens and rows. */
const headerOf = (context: number, classes: number, chunks: number): Buffer =>
  logitFile({ context, classes, tokens: [], rows: [], chunks });

test.each<[string, Uint8Array, string]>([
  ['nothing', Buffer.alloc(0), 'it is empty, expected a header of 20 bytes'],
  ['another magic', logitFile({ context: 3, classes: 2, tokens: [], rows: [], magic: '_logits?' }), '"_logits?"'],
  ['a header that is cut off', headerOf(3, 2, 1).subarray(0, 19), 'it has 19 bytes, expected a header of 20'],
  ['contexts without rows', headerOf(2, 2, 1), 'its n_ctx is 2, expected at least 3'],
  ['no vocabulary', headerOf(3, 0, 1), 'its n_vocab is 0, expected at least 1'],
  ['a negative vocabulary', headerOf(3, -5, 1), 'its n_vocab is -5'],
  ['no chunks', headerOf(3, 2, 0), 'its n_chunk is 0, expected at least 1'],
  ['negative chunks', headerOf(3, 2, -1), 'its n_chunk is -1'],
  [
    'the greatest numbers',
    headerOf(2 ** 32 - 1, 2 ** 31 - 1, 2 ** 31 - 1),
    // 20 + 4·n_chunk·n_ctx + 2·n_chunk·R·nv, exactly.
    `expect ${20n + (2n ** 31n - 1n) * (4n * (2n ** 32n - 1n) + 2n * (2n ** 31n - 1n) * (2n ** 31n + 4n))} bytes, but it has 20: it is cut off`,
  ],
  ['a row that is cut off', fileOf(4, 8, 2).subarray(0, -1), 'expect 100 bytes, but it has 99: it is cut off'],
  ['a byte too many', Buffer.concat([fileOf(4, 8, 2), Buffer.of(0)]), 'expect 100 bytes, but it has 101'],
  ['no padding of odd rows', fileOf(3, 5, 1).subarray(0, -2), 'it is cut off'],
])('a file of %s is refused', async (_what, bytes, says) => {
  await expect(opened(bytes)).rejects.toMatchObject({
    code: 'invalid_file',
    message: expect.stringMatching(/^a\.kld is not a valid llama\.cpp logit file: /) as string,
  });
  await expect(opened(bytes)).rejects.toThrow(says);
});

test('a folder is refused', async () => {
  await expect(LogitFile.open(localOpener(folder, { name: 'a' }))).rejects.toMatchObject({
    code: 'file_unreadable',
    message: 'a is a folder, expected a llama.cpp logit file',
  });
});

test.each<[string, () => void, string]>([
  ['longer', () => appendFileSync(path, 'x'), 'was resized from'],
  ['shorter', () => truncateSync(path, 30), 'was resized from'],
  ['written to', () => writeFileSync(path, Buffer.of(1), { flag: 'r+' }), 'was written to while'],
])('one that was %s meanwhile is refused', async (_how, change, says) => {
  const file = await opened(fileOf(4, 8, 2));
  await file.requireUnchanged();
  // Some file systems have a clock resolution of several milliseconds.
  await new Promise((resolve) => setTimeout(resolve, 20));
  change();
  await expect(file.requireUnchanged()).rejects.toThrow(says);
  await file.close();
});
