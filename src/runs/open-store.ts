import type { Pages } from './answers.ts';
import type { FollowerPosition } from './follower.ts';
import { pendingMigrations } from './sqlite/pending-migrations.ts';
import { SqliteTables } from './sqlite/tables.ts';
import type { RunStore } from './store.ts';
import type { HistoryTables } from './tables.ts';
import { ThreadedStore } from './thread/store.ts';

/** A store as a service uses it. */
export interface ServiceStore extends RunStore {
  /** Opens the store, before any other call. @throws Error when it cannot be opened as configured */
  open: () => Promise<void>;
  /** Pages of the history as text. */
  readonly pages: Pages;
  /**
   * Position of a follower in the changes, which replicas share; undefined for a store without replicas.
   * @param name of the follower
   */
  position?: (name: string) => FollowerPosition;
  /** True for the replica that does the work of all replicas; undefined for a store without replicas. */
  readonly leads?: boolean;
}

/** Location of a history, and limits of its use. */
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
 * @param onConversion called with the number of migrations that a file of an earlier version needs, if any
 */
export async function makeStore(
  { store, storeConnections }: StoreSettings,
  { onChange, onConversion }: { onChange: (run: string) => void; onConversion: (steps: number) => void },
): Promise<ServiceStore> {
  if (isPostgres(store)) {
    // Loads the client of PostgreSQL on demand, because loading it slows the start.
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
