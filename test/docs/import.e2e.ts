/** Checks that docs/import.md names the options of `lossmeter runs` and the usual names of the loss. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { FORMAT_NAMES } from '../../src/import/formats.ts';
import { LOSS_NAMES } from '../../src/import/loss-names.ts';
import { read, ROOT } from './pages.ts';

const page = read('docs/import.md');

const COMMANDS = [...['list', 'show', 'export', 'delete', 'prune', 'rename', 'finish', 'archive', 'tag', 'note']];

const helpOf = (command: string): string =>
  spawnSync(process.execPath, ['src/cli/bin.js', 'runs', command, '--help'], { cwd: ROOT, encoding: 'utf8' }).stdout;

const optionsOf = (text: string): string[] => [...new Set(text.match(/(?<![\w-])--[a-z][a-z-]+/g))].toSorted();

test('every option of import is on the page, and no other', () => {
  const [ofImport] = page.split('## Other commands');
  const others = new Set(['--help', '--url', '--log-interval']);
  const without = (options: string[]) => options.filter((option) => !others.has(option));
  expect(without(optionsOf(ofImport!))).toEqual(without(optionsOf(helpOf('import'))));
});

test('options of the other commands exist', () => {
  const [, ofOthers] = page.split('## Other commands');
  const known = new Set(COMMANDS.flatMap((name) => optionsOf(helpOf(name))));
  expect(optionsOf(ofOthers!).filter((option) => !known.has(option))).toEqual([]);
});

test.each([...LOSS_NAMES, ...FORMAT_NAMES])('%s is on the page', (name) => {
  expect(page.replaceAll(/\s+/g, ' ')).toContain(`\`${name}\``);
});
