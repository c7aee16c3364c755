import type { Pages } from './answers.ts';
import type { FollowerPosition } from './follower.ts';
import { pendingMigrations } from './sqlite/pending-migrations.ts';
import { SqliteTables } from './sqlite/tables.ts';
import type { RunStore } from './store.ts';
import type { HistoryTables } from './tables.ts';
import { ThreadedStore } from './thread/store.ts';

/** A store as a service uses it. */
export interface ServiceStore extends RunStore {
  /** Opens it, before any other call. @throws Error when it cannot be used as it is set up */
  open: () => Promise<void>;
  /** Pages of the history as text. */
  readonly pages: Pages;
  /**
   * Position of a follower in the changes, where replicas share it.
   * @param name of the follower
   */
  position?: (name: string) => FollowerPosition;
  /** True for the replica that works for all of them, where there are replicas. */
  readonly leads?: boolean;
}

/** Place of a history, and bounds of its use. */
export interface StoreSettings {
  /** Path of an SQLite file, `:memory:`, or URL of PostgreSQL. */
  store: string;
  /** Most connections to PostgreSQL. */
  storeConnections: number;
}

/** True for the URL of a PostgreSQL database. */
export const isPostgres = (store: string): boolean => /^postgres(?:ql)?:\/\//.test(store);

/**
 * Makes the store that the settings name.
 * @param onChange called for each run that another replica changed
 * @param onConversion called with the number of steps in which a file of an earlier version will be converted
 */
export async function makeStore(
  { store, storeConnections }: StoreSettings,
  { onChange, onConversion }: { onChange: (run: string) => void; onConversion: (steps: number) => void },
): Promise<ServiceStore> {
  if (isPostgres(store)) {
    // The client of PostgreSQL is loaded where it is used: it would take a part of every start.
    const { PostgresStore } = await import('./postgres/store.ts');
    return new PostgresStore({ url: store, connections: storeConnections, onChange });
  }
  const migrations = pendingMigrations(store);
  if (migrations > 0) onConversion(migrations);
  return new ThreadedStore(store);
}

/** Opens the tables of a history, to copy them. @param store path of an SQLite file, or URL of PostgreSQL */
export async function openTables(store: string): Promise<HistoryTables> {
  if (!isPostgres(store)) return new SqliteTables(store);
  const { PostgresTables } = await import('./postgres/tables.ts');
  return new PostgresTables(store);
}
