import { readFileSync } from 'node:fs';

/** A row of the table of faults in docs/operations.md. */
export interface Fault {
  /** Statuses and codes that clients see. */
  answers: { status: number; code: string }[];
  /** Exit code; undefined when the process does not end. */
  exitCode: number | undefined;
  goesOn: string;
  recovers: string;
}

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const section = page.split('\n## ').find((text) => text.startsWith('Faults\n'))!;

const ROWS = new Map(
  [...section.matchAll(/^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(
    ([, name, sees, goesOn, recovers]) => [
      name!,
      {
        answers: [...sees!.matchAll(/(\d{3}) `(\w+)`/g)].map(([, status, code]) => ({
          status: Number(status),
          code: code!,
        })),
        exitCode: /exit code (\d+)/.exec(sees!)?.[1],
        goesOn: goesOn!,
        recovers: recovers!,
      },
    ],
  ),
);

/** Names of the faults in the table. */
export const FAULTS = [...ROWS.keys()].filter((name) => name !== 'fault' && !name.startsWith('-'));

/** The row of a fault. @throws Error when the table has none */
export function faultNamed(name: string): Fault {
  const row = ROWS.get(name);
  if (row === undefined) throw new Error(`docs/operations.md has no fault ${name}`);
  return { ...row, exitCode: row.exitCode === undefined ? undefined : Number(row.exitCode) };
}
