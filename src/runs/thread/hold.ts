import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSameFile } from '../sqlite/identity.ts';
import type { SharedFacts } from '../sqlite/shared-facts.ts';
import { isBusy } from '../sqlite/sqlite-error.ts';

/** Milliseconds that a lock of another process is waited for, and between two attempts. */
const BUSY_MS = 1000;
const PAUSE_MS = 20;

/**
 * A connection that stays open, so that no other is the last one to be closed: SQLite then copies the log into the file,
 * which would destroy a file that was overwritten.
 *
 * It also opens a descriptor of the index of the log. To close one drops all locks of the process on that file (POSIX), so
 * closeIndex() comes after all connections are closed.
 */
export class Hold {
  /** All that are open: a connection that is garbage is closed. */
  static readonly #open = new Set<Hold>();
  readonly #database: DatabaseSync;

  private constructor(path: string, facts: SharedFacts) {
    facts.indexDescriptor ??= openSync(`${path}-shm`, 'r+');
    this.#database = openSameFile(path, facts, () => connect(path));
    Hold.#open.add(this);
  }

  /**
   * Opens a database that threads have opened. A lock of another process blocks no thread: attempts are repeated.
   * @throws OpenError
   * @throws Error of SQLite
   */
  static async take(path: string, facts: SharedFacts): Promise<Hold> {
    for (const end = performance.now() + BUSY_MS; ;) {
      try {
        return new Hold(path, facts);
      } catch (error) {
        if (!isBusy(error) || performance.now() > end) throw error;
      }
      await sleep(PAUSE_MS);
    }
  }

  /** Closes the connection. */
  close(): void {
    Hold.#open.delete(this);
    this.#database.close();
  }
}

/** Closes the descriptor of the index, after all connections. */
export function closeIndex(facts: SharedFacts): void {
  const { indexDescriptor } = facts;
  facts.indexDescriptor = undefined;
  if (indexDescriptor !== undefined) closeSync(indexDescriptor);
}

/** Opens a connection, and takes the shared lock on the file by a read. */
function connect(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
  try {
    database.prepare('PRAGMA schema_version').get();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
