import { describe, expect, test } from 'vitest';
import { compare } from './compare.ts';

describe('the rule of a truncated support', () => {
  const pairs = (count: number, old: number, r: number) => Array.from({ length: count }, () => [old, old + r] as const);
  const hint = (...parts: (readonly (readonly [number, number])[])[]) => compare([parts.flat()]).hint;

  test('needs 32 tokens of which old is not sure', () => {
    expect(hint(pairs(31, -1, -0.05))).toBeUndefined();
    expect(hint(pairs(32, -1, -0.05))).toBe('renormalised_support');
    expect(hint(pairs(1000, -0.1, -0.05))).toBeUndefined();
    expect(hint(pairs(32, -0.1001, -0.05))).toBe('renormalised_support');
  });

  test('needs a median below −0.02', () => {
    expect(hint(pairs(100, -1, -0.0195))).toBeUndefined();
    expect(hint(pairs(50, -1, -0.03), pairs(50, -1, 0))).toBeUndefined();
    expect(hint(pairs(51, -1, -0.03), pairs(50, -1, 0))).toBe('renormalised_support');
  });

  test('allows a tenth of the tokens to rise', () => {
    expect(hint(pairs(90, -1, -0.05), pairs(10, -1, 0.05))).toBe('renormalised_support');
    expect(hint(pairs(89, -1, -0.05), pairs(11, -1, 0.05))).toBeUndefined();
  });

  test('counts a constant shift downwards, which no two normalised distributions have', () => {
    expect(hint(pairs(64, -2, -0.05))).toBe('renormalised_support');
    expect(hint(pairs(64, -2, 0.05))).toBeUndefined();
  });
});
