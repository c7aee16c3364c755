/** Writes docs/performance.md from the results of a complete bench. */
import { readFileSync, writeFileSync } from 'node:fs';
import { COLUMNS, cellsOf, notesOf } from './comparison.ts';
import { TOPICS } from './list.ts';
import { RESULTS } from './sections.ts';
import type { Results } from './sections.ts';

const PAGE = new URL('../docs/performance.md', import.meta.url);

const { date, machine, rows } = JSON.parse(readFileSync(new URL('latest.json', RESULTS), 'utf8')) as Results;
const missing = Object.keys(TOPICS).filter((name) => !rows.some(({ section }) => section === name));
if (missing.length > 0) throw new Error(`${missing.join(', ')} never ran: run all by npm run bench`);

const gigabytes = Math.round(machine.memory_bytes / 1e9);
const text = `# Performance

This page has all sections of \`npm run bench\`; the most recent one ran on ${date.slice(0, 10)}. The machine has
${machine.processors} cores of an ${machine.processor}, ${gigabytes} GB and Node.js ${machine.node}; load and service share the cores.
\`npm run bench\` prints these tables on your machine, and \`npm run bench:page\` writes this page.

Compare the ratios: both sides of a ratio were measured in turn, in the same run, and each figure is a median. Absolute
figures depend on the machine and its other load. A missed goal has \`no\` in the last column.
${Object.entries(TOPICS).map(sectionOf).join('')}`;
writeFileSync(PAGE, text);

function sectionOf([name, { text: about }]: [string, { text: string }]): string {
  const own = rows.filter(({ section }) => section === name);
  const cells = [[...COLUMNS], COLUMNS.map(() => '---'), ...own.map(cellsOf)];
  const lines = cells.map((line) => `| ${line.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  const notes = notesOf(own).map((note) => `- ${note}`);
  return `\n## ${name}\n\n${about} \`npm run bench ${name}\`\n\n${lines.join('\n')}\n${notes.length > 0 ? `\n${notes.join('\n')}\n` : ''}`;
}
