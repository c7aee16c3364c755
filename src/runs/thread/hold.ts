import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSameFile } from '../sqlite/identity.ts';
import type { SharedFacts } from '../sqlite/shared-facts.ts';
import { isBusy } from '../sqlite/sqlite-error.ts';

/** Milliseconds to wait for a lock of another process, and milliseconds between two attempts. */
const BUSY_MS = 1000;
const PAUSE_MS = 20;

/**
 * A connection that stays open, so that no other connection is the last to close. At the last close SQLite copies the
 * log into the file, which would destroy a file that was overwritten. It also opens a descriptor of the index of the
 * log. Closing any descriptor drops all locks of the process on that file (POSIX), so closeIndex() comes after all
 * connections are closed.
 */
export class Hold {
  /** All open connections: garbage collection would close an unreferenced one. */
  static readonly #open = new Set<Hold>();
  readonly #database: DatabaseSync;

  private constructor(path: string, facts: SharedFacts) {
    facts.indexDescriptor ??= openSync(`${path}-shm`, 'r+');
    this.#database = openSameFile(path, facts, () => connect(path));
    Hold.#open.add(this);
  }

  /**
   * Opens a database that the threads have opened before. Retries while another process has a lock, without blocking a
   * thread.
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
