import fc from 'fast-check';
import { Value } from '#typebox';
import { expect, test } from 'vitest';
import { RunName, faultOfRunName } from '../../src/contract/run-name.ts';
import { isRemoved, REMOVED } from '../../src/runs/removed.ts';
import { NAMES, runName } from './names.ts';

test.each(NAMES)('%j is a name', (name) => {
  expect(faultOfRunName(name)).toBeUndefined();
  expect(Value.Check(RunName, name)).toBe(true);
});

test.each<[string, string]>([
  ['', 'is empty'],
  [' a', 'begins or ends with white space'],
  ['a\u00a0', 'begins or ends with white space'],
  ['a\nb', 'has a control character'],
  ['a\0', 'has a control character'],
  ['\u0085', 'has a control character'],
  ['.', 'has `.` or `..`'],
  ['..', 'has `.` or `..`'],
  ['a/../b', 'has `.` or `..`'],
  ['./a', 'has `.` or `..`'],
  ['a\ud800b', 'has half of a surrogate pair'],
  ['x'.repeat(257), 'is longer than 256 characters'],
  ['😀'.repeat(257), 'is longer than 256 characters'],
  // One grapheme with many characters.
  [`e${'\u0301'.repeat(256)}`, 'is longer than 256 characters'],
  [`${REMOVED}5`, 'is reserved for runs during their removal'],
])('%j is refused because it %s', (name, reason) => {
  expect(faultOfRunName(name)).toContain(reason);
  expect(Value.Check(RunName, name)).toBe(false);
});

test('the schema refuses what the rule refuses, and a name is never that of a removed run', () => {
  fc.assert(
    fc.property(fc.oneof(runName, fc.string({ unit: 'binary', maxLength: 5 }), fc.string({ maxLength: 5 })), (name) => {
      expect(Value.Check(RunName, name)).toBe(faultOfRunName(name) === undefined);
    }),
    { numRuns: 1000 },
  );
  fc.assert(fc.property(runName, (name) => !isRemoved(name)));
});
