import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NamedFiles } from '../../src/files/named-files.ts';

const parent = mkdtempSync(join(tmpdir(), 'lossmeter-find-'));
const root = join(parent, 'data');
const directory = new NamedFiles({ dataDir: root, s3PathStyle: false, stallSeconds: 10, maxJsonBytes: 1e6 });

const FILES = ['b.safetensors', 'a.safetensors', 'a.txt', 'x/1.safetensors', 'x/y/2.safetensors', 'x/y/3.bin', '*.txt'];

beforeAll(() => {
  mkdirSync(join(root, 'x/y'), { recursive: true });
  mkdirSync(join(root, 'empty'));
  for (const [k, name] of FILES.entries()) writeFileSync(join(root, name), 'x'.repeat(k));
  mkdirSync(join(parent, 'outside'));
  writeFileSync(join(parent, 'outside/secret.safetensors'), '');
  symlinkSync(join(parent, 'outside'), join(root, 'out'));
  symlinkSync(join(parent, 'outside/secret.safetensors'), join(root, 'x/y/secret.safetensors'));
  symlinkSync(join(root, 'x'), join(root, 'inner'));
  symlinkSync(join(root, 'x/1.safetensors'), join(root, 'x/link.safetensors'));
});
afterAll(() => rmSync(parent, { recursive: true }));

const namesOf = async (...names: string[]): Promise<string[]> =>
  (await directory.find('files', names, 100)).map(({ name }) => name);

test.each([
  [['a.safetensors'], ['a.safetensors']],
  [['./a.safetensors', 'a.safetensors'], ['a.safetensors']],
  [['x'], ['x/1.safetensors', 'x/link.safetensors']],
  [['x/'], ['x/1.safetensors', 'x/link.safetensors']],
  [
    ['b.safetensors', 'a.*'],
    ['a.safetensors', 'a.txt', 'b.safetensors'],
  ],
  [['x/*'], ['x/1.safetensors', 'x/link.safetensors']],
  [['**/?.safetensors'], ['a.safetensors', 'b.safetensors', 'x/1.safetensors', 'x/y/2.safetensors']],
  [['inner'], ['inner/1.safetensors', 'inner/link.safetensors']],
  [['.'], ['a.safetensors', 'b.safetensors']],
])('%j are %j', async (names, expected) => {
  expect(await namesOf(...names)).toEqual(expected);
});

test('sizes are those of the files', async () => {
  expect(await directory.find('files', ['x/y/*.bin'], 1)).toEqual([{ name: 'x/y/3.bin', bytes: 5 }]);
});

test.each([
  [['missing'], 'file_unreadable'],
  [['empty'], 'file_unreadable'],
  [['x/*/*/*'], 'file_unreadable'],
  [['out/*.safetensors'], 'file_unreadable'],
  [['x/y/secret*'], 'file_unreadable'],
  [['x/y/secret.safetensors'], 'file_forbidden'],
  [['out'], 'file_forbidden'],
  [['out/secret.safetensors'], 'file_forbidden'],
  [['../outside'], 'file_forbidden'],
  [['x/../../outside/*'], 'file_forbidden'],
  [['/etc/passwd'], 'file_forbidden'],
  [['a\0b'], 'file_forbidden'],
  [[''], 'file_forbidden'],
])('%j are refused', async (names, code) => {
  await expect(namesOf(...names)).rejects.toMatchObject({ code });
});

test('more files than may be are refused', async () => {
  await expect(directory.find('files', ['**'], 3)).rejects.toMatchObject({ code: 'invalid_option' });
});
