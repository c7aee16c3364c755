import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { ApiKeys } from '../../src/keys/api-keys.ts';
import { createSecret } from '../../src/keys/secret.ts';
import { entryOf, fileText, newFolder } from '../keys.ts';

const [first, second] = [createSecret(), createSecret()];

const folder = newFolder();
const opened: ApiKeys[] = [];
afterAll(() => {
  for (const keys of opened) keys.close();
  rmSync(folder, { recursive: true });
});

/** A folder for one test. */
const makeFolder = (): string => mkdtempSync(join(folder, 'test-'));

/** Opens a key file, and collects the log lines about it. */
async function open(path: string): Promise<{ keys: ApiKeys; lines: string[] }> {
  const lines: string[] = [];
  const say = (level: string) => (message: string) => {
    lines.push(`${level}: ${message}`);
  };
  const keys = await ApiKeys.open(path, { info: say('info'), warn: say('warn'), error: say('error') });
  opened.push(keys);
  return { keys, lines };
}

const becomes = (expectation: () => void): Promise<void> => vi.waitFor(expectation, { timeout: 10_000, interval: 50 });

function fileWith(text: string): string {
  const path = join(makeFolder(), 'keys.json');
  writeFileSync(path, text);
  return path;
}

test('a key is found by what it is, with its name, scopes and end', async () => {
  const expires = '2030-01-31T00:00:00Z';
  const path = fileWith(
    fileText(entryOf('a', first), entryOf('b', second, { scopes: ['read', 'record'], expires: expires })),
  );
  const { keys } = await open(path);
  expect(keys.find(first)).toMatchObject({ name: 'a', scopes: ['evaluate'], expires: Infinity });
  expect(keys.find(second)).toMatchObject({ name: 'b', scopes: ['read', 'record'], expires: Date.parse(expires) });
  for (const wrong of ['', 'a', `${first} `, first.slice(0, -1), first.toUpperCase(), createSecret()]) {
    expect(keys.find(wrong), wrong).toBeUndefined();
  }
});

test.each([
  ['is broken', 'x', 'is not JSON'],
  ['is empty', '', 'is not JSON'],
])('a file that %s is not opened', async (_, text, says) => {
  await expect(open(fileWith(text))).rejects.toThrow(says);
});

test('a file that is not there is not opened', async () => {
  await expect(open(join(makeFolder(), 'keys.json'))).rejects.toThrow('ENOENT');
});

// The file is read once a second: the tests that wait for it wait together.
test.concurrent('a file that is written again counts, also when its time and size stay', async () => {
  const path = fileWith(fileText(entryOf('a', first)));
  utimesSync(path, 1, 1);
  const { keys, lines } = await open(path);
  writeFileSync(path, fileText(entryOf('b', second)));
  utimesSync(path, 1, 1);
  await becomes(() => expect(keys.find(second)?.name).toBe('b'));
  expect(keys.find(first)).toBeUndefined();
  expect(lines).toEqual([`info: ${path} was read again, keys: b`]);
});

test.concurrent('links that are swapped, as Kubernetes does it with mounted secrets, count', async () => {
  const mounted = makeFolder();
  for (const [version, secret] of Object.entries({ v1: first, v2: second })) {
    mkdirSync(join(mounted, version));
    writeFileSync(join(mounted, version, 'keys.json'), fileText(entryOf(version, secret)));
  }
  symlinkSync('v1', join(mounted, '..data'));
  symlinkSync('..data/keys.json', join(mounted, 'keys.json'));
  const { keys } = await open(join(mounted, 'keys.json'));
  expect(keys.find(first)?.name).toBe('v1');
  symlinkSync('v2', join(mounted, '..data_tmp'));
  renameSync(join(mounted, '..data_tmp'), join(mounted, '..data'));
  rmSync(join(mounted, 'v1'), { recursive: true });
  await becomes(() => expect(keys.find(second)?.name).toBe('v2'));
  expect(keys.find(first)).toBeUndefined();
});

test.concurrent('a file that cannot be used leaves the keys as they are, which is said once', async () => {
  const path = fileWith(fileText(entryOf('a', first)));
  const { keys, lines } = await open(path);
  const spoilt: [spoil: () => void, says: string][] = [
    [() => writeFileSync(path, '{"keys": ['), 'is not JSON'],
    [() => writeFileSync(path, '{"keys": [{}]}'), 'must have name'],
    [() => writeFileSync(path, ''), 'is not JSON'],
    [() => rmSync(path), 'ENOENT'],
  ];
  for (const [k, [spoil, says]] of spoilt.entries()) {
    spoil();
    await becomes(() => expect(lines).toHaveLength(k + 1));
    expect(lines[k]).toMatch(/^error: .*; the keys read before stay valid$/);
    expect(lines[k]).toContain(says);
    expect(keys.find(first)?.name).toBe('a');
  }
  await new Promise((resolve) => setTimeout(resolve, 2000));
  expect(lines).toHaveLength(spoilt.length);
  writeFileSync(path, fileText(entryOf('b', second)));
  await becomes(() => expect(keys.find(second)?.name).toBe('b'));
  expect(keys.find(first)).toBeUndefined();
});

test.concurrent('the last key can be revoked', async () => {
  const path = fileWith(fileText(entryOf('a', first)));
  const { keys, lines } = await open(path);
  writeFileSync(path, fileText());
  await becomes(() => expect(keys.find(first)).toBeUndefined());
  expect(lines[0]).toContain('every request that needs a key is rejected');
});

test.concurrent('a closed file is not read any more', async () => {
  const path = fileWith(fileText(entryOf('a', first)));
  const { keys, lines } = await open(path);
  keys.close();
  writeFileSync(path, fileText());
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(lines).toEqual([]);
  expect(keys.find(first)?.name).toBe('a');
});
