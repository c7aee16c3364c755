/** Files of API keys, for tests. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { KeyEntry } from '../src/keys/key-file.ts';
import { SCOPES } from '../src/keys/scopes.ts';
import type { Scope } from '../src/keys/scopes.ts';
import { createSecret, digestOf } from '../src/keys/secret.ts';

/** Entry of a key in the file. */
export function entryOf(name: string, secret: string, entry: Partial<KeyEntry> = {}): KeyEntry {
  const sha256 = digestOf(secret).toString('hex');
  return { name, scopes: ['evaluate'], sha256, created: '2026-01-01T00:00:00Z', ...entry };
}

export const fileText = (...keys: KeyEntry[]): string => JSON.stringify({ keys });

export const newFolder = (): string => mkdtempSync(join(tmpdir(), 'lossmeter-keys-'));

/** A folder for one test. */
export function testFolder(): string {
  const folder = newFolder();
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Writes a file with a key for each scope, whose name is the scope. */
export function writeKeyOfEachScope(path: string, ...others: KeyEntry[]): Record<Scope, string> {
  const secrets = SCOPES.map((scope) => [scope, createSecret()] as const);
  const entries = secrets.map(([scope, secret]) => entryOf(scope, secret, { scopes: [scope] }));
  writeFileSync(path, fileText(...entries, ...others));
  return Object.fromEntries(secrets) as Record<Scope, string>;
}
