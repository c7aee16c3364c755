/** Checks that the service accepts the same values as the schemas, for fields beside a batch. */
import { Type, Value } from '#typebox';
import { describe, expect, test } from 'vitest';
import { besides } from '../../../src/contract/scalars.ts';
import { readBesides } from '../../../src/evaluations/cross-entropy/besides.ts';

const Schema = Type.Object(besides);

function isAccepted(fields: Record<string, unknown>): boolean {
  try {
    readBesides(fields);
    return true;
  } catch {
    return false;
  }
}

/** Texts by name; true for at most `most` characters without control characters. */
const textsOf = (most: number): [string, string, boolean][] => [
  ['an ordinary text', 'node-3/cuda:1', true],
  ['as many characters as allowed', 'x'.repeat(most), true],
  ['one more', 'x'.repeat(most + 1), false],
  ['as many characters of two code units', '😀'.repeat(most), true],
  ['one more of these', '😀'.repeat(most + 1), false],
  ['a line feed', 'a\nb', false],
  ['DEL', 'a\u007f', false],
  ['NUL', '\0', false],
];

describe('the device', () => {
  test.each(textsOf(128))('%s', (_, device, isValid) => {
    expect(isAccepted({ device })).toBe(isValid);
    expect(Value.Check(Schema, { device })).toBe(isValid);
  });
});

describe('the name of a scalar', () => {
  test.each([...textsOf(256), ['nothing', '', false] as const])('%s', (_, name, isValid) => {
    expect(isAccepted({ scalars: { [name]: 1 } })).toBe(isValid);
    expect(Value.Check(Schema, { scalars: { [name]: 1 } })).toBe(isValid);
  });
});
