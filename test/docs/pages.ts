/** The Markdown pages of the project. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Block {
  /** Place of its first line, such as `README.md:17`. */
  place: string;
  language: string;
  text: string;
}

export interface Page {
  path: string;
  text: string;
}

export const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');

/** Folders with installed or built files, which do not belong to the project. */
const FOREIGN = /(?:^|\/)(?:node_modules|dist|\.git|\.venv)(?:\/|$)/;

/** The files of the checkout that match a pattern, in order. */
export function listFiles(pattern: string): string[] {
  return globSync(pattern, { cwd: ROOT, exclude: (path) => FOREIGN.test(path) }).toSorted();
}

/** Pages of this project. Pages in fixtures belong to other projects. */
export function readPages(): Page[] {
  const paths = listFiles('**/*.md').filter((path) => !path.startsWith('test/fixtures/'));
  return paths.map((path) => ({ path, text: read(path) }));
}

/** The fenced blocks of a page, in order. */
export function readBlocks({ path, text }: Page): Block[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(({ index, 1: language, 2: block }) => ({
    place: `${path}:${text.slice(0, index).split('\n').length}`,
    language: language!,
    text: block!,
  }));
}

/** The cells of the rows of the table below a heading row. */
export function readTable({ path, text }: Page, head: string): string[][] {
  const [, table] = text.split(`| ${head} |\n`);
  if (table === undefined) throw new Error(`${path} has no table | ${head} |`);
  const [rows = ''] = table.split('\n\n');
  return rows
    .split('\n')
    .filter((row) => row.startsWith('|') && !/^\|[\s|-]+\|$/.test(row))
    .map((row) =>
      row
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}
