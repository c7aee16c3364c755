import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterFolder, matchesFile, matchesSegment, withoutStars } from '../../src/files/name-pattern.ts';

/** True when a path matches a pattern. */
function matches(pattern: string, path: string): boolean {
  const segments = pattern.split('/');
  const folders = path.split('/');
  const file = folders.pop()!;
  let at = withoutStars(segments, [0]);
  for (const folder of folders) at = afterFolder(segments, at, folder);
  return matchesFile(segments, at, file);
}

test.each([
  ['*', 'a.safetensors', true],
  ['*.safetensors', 'a.safetensors', true],
  ['*.safetensors', 'a.bin', false],
  ['a*b*c', 'aXbXbc', true],
  ['a*b*c', 'aXbXb', false],
  ['?', 'ab', false],
  ['?b', 'ab', true],
  ['*.*', 'a', false],
  ['a/*', 'a', false],
  ['a/*', 'a/b', true],
  ['a/*', 'a/b/c', false],
  ['*/b', 'a/b', true],
  ['**', 'a/b/c', true],
  ['**/c', 'c', true],
  ['**/c', 'a/b/c', true],
  ['a/**/c', 'a/c', true],
  ['a/**/c', 'a/b/b/c', true],
  ['a/**/c', 'b/c', false],
  ['**/b/**/d', 'a/b/c/d', true],
  ['**/b/**/d', 'a/c/d', false],
  ['**/**/c', 'a/c', true],
  // Other special characters of shells are literal.
  ['{a,b}', 'a', false],
  ['[ab]', 'a', false],
  ['[ab]*', '[ab]c', true],
])('%s and %s', (pattern, path, expected) => {
  expect(matches(pattern, path)).toBe(expected);
});

describe('a segment matches', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
  const wildcards = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });

  test('as the regular expression of the same meaning', () => {
    fc.assert(
      fc.property(wildcards, letters, (pattern, name) => {
        const expression = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        expect(matchesSegment(pattern, name)).toBe(expression.test(name));
      }),
      { numRuns: 2000 },
    );
  });

  test('in a time that does not explode', () => {
    const started = performance.now();
    expect(matchesSegment(`${'*a'.repeat(500)}b`, 'a'.repeat(255))).toBe(false);
    expect(performance.now() - started).toBeLessThan(200);
  });
});
