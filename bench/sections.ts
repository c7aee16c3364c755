import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { formatTable } from './comparison.ts';
import type { Comparison } from './comparison.ts';

export type Section = () => Promise<Comparison[]>;

/** Figures of a bench, in the format in which they are saved. */
export interface Results {
  /** ISO 8601. */
  date: string;
  machine: { processor: string; processors: number; memory_bytes: number; node: string };
  rows: (Comparison & { section: string })[];
}

/** Folder of the results. */
export const RESULTS = new URL('./results/', import.meta.url);

/** Selects the named sections, or all without names. Ends the process for an unknown name. */
export function chooseSections(
  sections: Readonly<Record<string, Section>>,
  names: readonly string[],
): [string, Section][] {
  const unknown = names.filter((name) => !Object.hasOwn(sections, name));
  if (unknown.length > 0) {
    console.error(`unknown section ${unknown.join(', ')}; there are ${Object.keys(sections).join(', ')}`);
    process.exit(2);
  }
  return Object.entries(sections).filter(([name]) => names.length === 0 || names.includes(name));
}

/**
 * Runs sections one after another, prints their report, and saves it as JSON in bench/results. Keeps the last results
 * of the other sections.
 * @param prepare preparation with its own time limit
 */
export async function runSections(
  sections: readonly [string, Section][],
  { results, endWithinMs, prepare }: { results: string; endWithinMs: number; prepare?: () => Promise<unknown> },
): Promise<void> {
  // process.exit also ends the child servers.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  await prepare?.();
  setTimeout(() => {
    console.error(`the bench did not end within ${endWithinMs} ms`);
    process.exit(1);
  }, endWithinMs).unref();

  const rows: Results['rows'] = [];
  for (const [name, section] of sections) {
    console.error(`${name} …`);
    for (const comparison of await section()) rows.push({ section: name, ...comparison });
  }
  const machine = describeMachine();
  console.log(`${machine.processors} × ${machine.processor}, Node.js ${machine.node}\n`);
  console.log(formatTable(rows));

  const file = new URL(results, RESULTS);
  mkdirSync(RESULTS, { recursive: true });
  const saved = {
    date: new Date().toISOString(),
    machine,
    rows: [...rowsBefore(file, sections), ...rows],
  } satisfies Results;
  writeFileSync(file, `${JSON.stringify(saved, undefined, 2)}\n`);
}

/** Saved rows of the sections that did not run this time. */
function rowsBefore(file: URL, ran: readonly [string, Section][]): Results['rows'] {
  if (!existsSync(file)) return [];
  const { rows } = JSON.parse(readFileSync(file, 'utf8')) as Results;
  return rows.filter(({ section }) => ran.every(([name]) => name !== section));
}

function describeMachine(): Results['machine'] {
  const processors = cpus();
  return {
    processor: processors[0]?.model ?? 'unknown',
    processors: processors.length,
    memory_bytes: totalmem(),
    node: process.version,
  };
}
