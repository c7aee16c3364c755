import { chmodSync, existsSync, lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { changeKeyFile, parseKeyFile } from '../../src/keys/key-file.ts';
import { createSecret, digestOf } from '../../src/keys/secret.ts';
import { entryOf, fileText, testFolder } from '../keys.ts';

const secret = createSecret();
const entry = entryOf('trainer', secret);

test('keys are 256 random bits, and known by their prefix', () => {
  expect(secret).toMatch(/^lm_[\w-]{43}$/);
  expect(createSecret()).not.toBe(secret);
});

test('a file has the SHA-256 of a key and not the key', () => {
  const digest = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(digestOf('abc').toString('hex')).toBe(digest);
  expect(fileText(entry)).not.toContain(secret.slice(3, 12));
});

test('what a file says of its keys is read', () => {
  const expiring = entryOf('ci', createSecret(), { scopes: ['read', 'record'], expires: '2030-01-31T00:00:00+01:00' });
  expect(parseKeyFile(fileText(entry, expiring), 'keys.json')).toEqual([entry, expiring]);
  expect(parseKeyFile('{"keys": []}', 'keys.json')).toEqual([]);
});

describe('a file that is wrong is refused with the place', () => {
  const withKey = (change: object): string => JSON.stringify({ keys: [entry, { ...entry, name: 'b', ...change }] });
  test.each([
    ['', 'is not JSON'],
    [`{"keys": [${secret}]}`, 'is not JSON'],
    ['[]', 'the document must be an object'],
    ['{}', 'the document must have keys'],
    ['{"keys": [], "version": 1}', '/version is not a known field'],
    ['{"keys": [{"name": "a"}]}', '/keys/0 must have scopes, sha256, created'],
    [withKey({ scope: 'read' }), '/keys/1/scope is not a known field'],
    [withKey({ name: 'a b' }), '/keys/1/name must have the form of "trainer-2"'],
    [withKey({ scopes: [] }), '/keys/1/scopes must have at least 1 entry'],
    [withKey({ scopes: ['read', 'read'] }), '/keys/1/scopes must not have the same entry twice'],
    [withKey({ scopes: ['reed'] }), '/keys/1/scopes/0 must be one of evaluate, record, read, admin'],
    [withKey({ sha256: secret }), '/keys/1/sha256 must have the form of "0123456789abcdef0'],
    [withKey({ sha256: 'AB'.repeat(32) }), '/keys/1/sha256 must have the form of "0123456789abcdef0'],
    [withKey({ created: 'yesterday' }), '/keys/1/created must be a valid date-time, such as "2030-01-31T00:00:00Z"'],
    [
      withKey({ expires: '2030-02-30T00:00:00Z' }),
      '/keys/1/expires must be a valid date-time, such as "2030-01-31T00:00:00Z"',
    ],
    // A leap second, which JavaScript cannot parse: the key must not be read as one without an expiry.
    [withKey({ sha256: 'ab'.repeat(32), expires: '2016-12-31T23:59:60Z' }), '/keys/1/expires is not a date'],
    [fileText(entry, { ...entry, sha256: 'ab'.repeat(32) }), '/keys/1 has the name or the sha256 of /keys/0'],
    [fileText(entry, { ...entry, name: 'b' }), '/keys/1 has the name or the sha256 of /keys/0'],
  ])('%s: %s', (text, says) => {
    const parse = () => parseKeyFile(text, '/etc/keys.json');
    expect(parse).toThrow(says);
    expect(parse).toThrow('/etc/keys.json');
    // The message may be logged, so it must not contain the secret, wherever the file has it.
    expect(parse).not.toThrow(secret);
  });
});

describe('a file is changed', () => {
  const file = (): string => join(testFolder(), 'keys.json');
  const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

  test('that is not there: its owner only may read it', async () => {
    const path = file();
    await changeKeyFile(path, () => [entry]);
    expect(parseKeyFile(readFileSync(path, 'utf8'), path)).toEqual([entry]);
    expect(mode(path)).toBe('600');
  });

  test('as a whole, and keeps its permissions', async () => {
    const path = file();
    writeFileSync(path, fileText(entry));
    chmodSync(path, 0o640);
    const { ino } = statSync(path);
    await changeKeyFile(path, (entries) => [...entries, entryOf('b', createSecret())]);
    expect(parseKeyFile(readFileSync(path, 'utf8'), path).map(({ name }) => name)).toEqual(['trainer', 'b']);
    expect([mode(path), statSync(path).ino === ino]).toEqual(['640', false]);
  });

  test('where a link leads to', async () => {
    const path = file();
    const link = join(testFolder(), 'link.json');
    writeFileSync(path, fileText());
    symlinkSync(path, link);
    await changeKeyFile(link, () => [entry]);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(path, 'utf8')).toContain('trainer');
  });

  test('not when it is not valid, or the change is refused', async () => {
    const path = file();
    writeFileSync(path, 'x');
    await expect(changeKeyFile(path, () => [])).rejects.toThrow('is not JSON');
    expect(readFileSync(path, 'utf8')).toBe('x');
    const refuse = (): never => {
      throw new Error('no such key');
    };
    writeFileSync(path, fileText(entry));
    await expect(changeKeyFile(path, refuse)).rejects.toThrow('no such key');
    expect(readFileSync(path, 'utf8')).toBe(fileText(entry));
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  test('by one at a time: no change is lost', async () => {
    const path = file();
    const names = ['a', 'b', 'c'];
    const add = (name: string): Promise<void> =>
      changeKeyFile(path, (entries) => [...entries, entryOf(name, createSecret())]);
    const done = await Promise.allSettled(names.map(add));
    const kept = names.filter((_, k) => done[k]!.status === 'fulfilled');
    expect(parseKeyFile(readFileSync(path, 'utf8'), path).map(({ name }) => name)).toEqual(kept);
    expect(kept.length).toBeGreaterThan(0);
    for (const outcome of done) {
      if (outcome.status === 'rejected') expect(String(outcome.reason)).toContain('the file is being changed');
    }
  });
});
