/** Stores for the tests that every store must pass: PostgreSQL when the suite has a server, else SQLite. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, onTestFinished } from 'vitest';
import { PostgresStore } from '../../../src/runs/postgres/store.ts';
import { PostgresTables } from '../../../src/runs/postgres/tables.ts';
import type { FactStore } from '../../../src/runs/batch-facts.ts';
import type { RunStore } from '../../../src/runs/store.ts';
import { SqliteStore } from '../../../src/runs/sqlite/store.ts';
import { SqliteTables } from '../../../src/runs/sqlite/tables.ts';
import type { HistoryTables, TableRows } from '../../../src/runs/tables.ts';
import { execute } from '../../postgres/server.ts';

/** A store as the tests use it. */
export type OpenedStore = RunStore & FactStore;

/** A history for a single test. */
export interface History {
  /** Place of the database, as in LOSSMETER_STORE. */
  place: string;
  open: (now?: () => number) => Promise<OpenedStore>;
  tables: () => HistoryTables;
  /** Writes rows into the empty history, bypassing the rules of the store. */
  write: (...pieces: TableRows[]) => Promise<void>;
  /** Closes the stores and removes the history, before the end of the test. */
  close: () => Promise<void>;
}

let databases = 0;

/** Creates a history, which is removed at the end of the test. */
export async function makeHistory(): Promise<History> {
  const { place, open, tables, remove } = await make();
  const opened: RunStore[] = [];
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= Promise.all(opened.map((store) => store.close())).then(remove));
  onTestFinished(close);
  return {
    ...{ place, tables, close },
    open: async (now) => {
      const store = await open(now);
      opened.push(store);
      return store;
    },
    write: async (...pieces) => {
      const all = tables();
      await all.write(async (put) => {
        for (const piece of pieces) await put(piece);
      });
      await all.close();
    },
  };
}

/** Opens an empty store, which is closed at the end of the test. */
export async function openStore(now?: () => number): Promise<OpenedStore> {
  return (await makeHistory()).open(now);
}

async function make(): Promise<{
  place: string;
  open: (now?: () => number) => Promise<OpenedStore>;
  tables: () => HistoryTables;
  remove: () => Promise<void>;
}> {
  const server = inject('postgres');
  if (server === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'lossmeter-store-'));
    const path = join(folder, 'history.db');
    return {
      place: path,
      open: async (now) => new SqliteStore(path, now),
      tables: () => new SqliteTables(path),
      remove: async () => rmSync(folder, { recursive: true }),
    };
  }
  const name = `store_${process.pid}_${databases++}`;
  const url = `${server}${name}`;
  await execute(`${server}postgres`, `CREATE DATABASE ${name}`);
  return {
    place: url,
    open: async (now) => {
      const store = new PostgresStore({ url, connections: 4, ...(now && { now }) });
      await store.open();
      return store;
    },
    tables: () => new PostgresTables(url),
    remove: async () => void (await execute(`${server}postgres`, `DROP DATABASE ${name} WITH (FORCE)`)),
  };
}
