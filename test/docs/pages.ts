/** The Markdown pages of the project. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Block {
  /** `README.md:17`: where it begins. */
  place: string;
  language: string;
  text: string;
}

export interface Page {
  path: string;
  text: string;
}

export const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');

/** Pages that users read, of those that Git has. Fixtures are of others. */
export function readPages(): Page[] {
  const paths = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');
  return paths.filter((path) => !path.startsWith('test/fixtures/')).map((path) => ({ path, text: read(path) }));
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
