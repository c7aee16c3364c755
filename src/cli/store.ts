import { existsSync } from 'node:fs';
import { isPostgres, openTables } from '../runs/open-store.ts';
import { TABLE_NAMES } from '../runs/tables.ts';
import type { HistoryTables, TableName } from '../runs/tables.ts';
import { UsageError, parseArguments, runCommand, unknownCommand } from './usage.ts';

const USAGE = `usage: lossmeter store copy FROM TO

Copies a history of runs into an empty one: from a SQLite file to a PostgreSQL
database, or back, or to another file as a backup. FROM and TO have the form of
LOSSMETER_STORE, such as ./lossmeter.db and
postgres://user:password@host/database.

The copy is a consistent snapshot: either all of FROM is copied, or nothing.
Later recordings in FROM are not in the copy: before a move, stop the services
that record.

  -h, --help       print this

The exit code is 2 when the copy fails, and for invalid usage.
`;

interface Copy {
  from: string;
  to: string;
}

/** `lossmeter store`. @returns the exit code */
export function store(args: string[]): Promise<number> {
  return runCommand(USAGE, () => parse(args), copy);
}

/** @throws UsageError */
function parse(args: string[]): Copy | undefined {
  const { values, positionals } = parseArguments({
    args,
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' } },
  });
  if (values.help === true) return undefined;
  const [command, from, to, ...others] = positionals;
  if (command === undefined) throw new UsageError('no command is named');
  if (command !== 'copy') throw unknownCommand(command, ['copy'], 'store ');
  if (from === undefined || to === undefined) throw new UsageError('store copy needs two histories: FROM and TO');
  if (others.length > 0) throw new UsageError(`unexpected ${others[0]}: store copy takes two histories`);
  return { from, to };
}

async function copy({ from, to }: Copy): Promise<number> {
  if (!isPostgres(from) && !existsSync(from)) throw new Error(`${from} does not exist`);
  const source = await open(from);
  try {
    const target = await open(to);
    try {
      const counts = await copyTables(source, target);
      console.log(`copied ${TABLE_NAMES.map((table) => `${counts[table]} ${table}`).join(', ')}`);
      return 0;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Opens a history. @throws Error that names the history, without its password */
async function open(history: string): Promise<HistoryTables> {
  if (history === ':memory:')
    throw new UsageError(':memory: exists only inside a running service: it cannot be copied');
  return openTables(history);
}

/** @returns numbers of copied rows */
async function copyTables(source: HistoryTables, target: HistoryTables): Promise<Record<TableName, number>> {
  let counts = countsOf();
  await target.write(async (put) => {
    // This function runs again when its transaction conflicts with another one.
    counts = countsOf();
    await source.read(async (some) => {
      await put(some);
      counts[some.table] += some.rows.length;
    });
  });
  return counts;
}

const countsOf = (): Record<TableName, number> =>
  Object.fromEntries(TABLE_NAMES.map((table) => [table, 0])) as Record<TableName, number>;
