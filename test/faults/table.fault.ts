import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FAULTS } from './table.ts';

test('every fault of docs/operations.md has a test', () => {
  const folder = new URL('./', import.meta.url);
  const sources = readdirSync(folder).filter((name) => name.endsWith('.fault.ts'));
  const text = sources.map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n');
  expect(FAULTS.length).toBeGreaterThan(15);
  expect(FAULTS.filter((name) => !text.includes(`test('${name}'`))).toEqual([]);
});
