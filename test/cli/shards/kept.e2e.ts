/**
 * Partials that earlier versions wrote, and the results that a single process of those versions printed: later versions
 * combine the partials to the same results. Input: five files of writeFiles with seed 33, one of them with −Infinity.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../e2e/process.ts';
import { lossmeter } from './command.ts';

const FOLDER = join(ROOT, 'test/fixtures/partials');

test.each([
  ['an evaluation', 'evaluation'],
  ['a comparison', 'comparison'],
])('three shards of %s by version 0.1.0, format 1', (_what, name) => {
  const partials = [3, 1, 2].map((index) => join(FOLDER, `${name}-${index}.json`));
  const expected = readFileSync(join(FOLDER, `${name}.total.json`), 'utf8');
  expect(lossmeter('combine', '--json', ...partials)).toEqual({ status: 1, stdout: expected, stderr: '' });
  const { total } = JSON.parse(expected) as { total: { numerator: unknown } };
  expect(total.numerator).toBe('Infinity');
});
