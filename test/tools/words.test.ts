/** Checks with planted comments that the check of the words of comments finds the bad ones, and only those. */
import { describe, expect, test } from 'vitest';
import { findViolations } from '../../tools/words.ts';

const linesOf = (source: string): number[] => findViolations('planted.ts', source).map(({ line }) => line);

describe('openings of doc comments', () => {
  test.each([
    '/** What a key may do. */',
    '/** Whether it is open. */',
    '/** Who may call. */',
    '/** How long it waits. */',
    '/** Of equals the first. */',
    '/** One that was kept. */',
    '/** The same of all runs. */',
    '/**\n * Those that wait.\n */',
    '/** Reads a row. @returns whether it changed */',
    '/**\n * Reads a row.\n * @param limit how many at most\n */',
    '/** @param options.limit what is left */',
  ])('%j is a violation', (comment) => {
    expect(linesOf(`const before = 1;\n${comment}\nexport const planted = before;\n`)).toEqual([2]);
  });

  test.each([
    '/** Bytes still unread. */',
    '/** Offset of the row, or what follows it. */',
    '/** Reads a row. @returns true when it changed */',
    '// What follows is a line comment.',
    '/* What follows is not a doc comment. */',
    '/** Whatever is left. */',
    '/** @param path of the file */',
  ])('%j is none', (comment) => {
    expect(linesOf(`${comment}\nexport const planted = 1;\n`)).toEqual([]);
  });
});

describe('phrases', () => {
  test.each([
    '// A file that is not there is not made.',
    '/** Names of that which changed. */',
    '// The client is told so.',
    '/** Numbers that JSON has not. */',
    '/** A body; who reads it waits. */',
    '// A phrase may break where a line ends: it tells\n// of a step.',
  ])('%j is a violation', (comment) => {
    expect(linesOf(`${comment}\nexport const planted = 1;\n`)).toEqual([1]);
  });

  test('a blank line or another kind of comment parts two line comments', () => {
    expect(linesOf('// It is not\n\n// there.\n/** It is not */\n// there.\nlet x; // It is not\n// there.\n')).toEqual(
      [6],
    );
  });
});

test('finds comments only', () => {
  const source = [
    "export const text = '/** What is told. */ // is told';",
    'export const template = `// is told ${text /* is told */} /** What */`;',
    String.raw`export const pattern = /[/*]\/\/ is told\/** What *\//;`,
    'export const quotient = 1 / 2; // is told / 1;',
  ].join('\n');
  expect(linesOf(source)).toEqual([2, 4]);
});

test('reads the decorators of AssemblyScript', () => {
  expect(
    linesOf('/** What it stores. */\n// @ts-expect-error: decorator\n@inline\nfunction store(): void {}\n'),
  ).toEqual([1]);
});

test('does not pass over a file that it cannot read', () => {
  expect(() => linesOf('/** What */ const = ;')).toThrow('planted.ts');
});
