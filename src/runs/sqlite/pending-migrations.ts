import { closeSync, openSync, readSync } from 'node:fs';
import { MIGRATIONS } from './migrations/index.ts';

/** Place of the number that the schema has, in the header of a database: https://www.sqlite.org/fileformat2.html#user_version */
const USER_VERSION_AT = 60;

/**
 * Number of migrations that a file needs when it is opened; 0 for a new file and for one that cannot be read. It reads the
 * file beside SQLite, and so before any connection of the process: closing the file gives up the locks of the process.
 */
export function pendingMigrations(path: string): number {
  if (path === ':memory:') return 0;
  try {
    const descriptor = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(4);
      if (readSync(descriptor, bytes, 0, 4, USER_VERSION_AT) < 4) return 0;
      return Math.max(0, MIGRATIONS.length - bytes.readUInt32BE(0));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return 0;
  }
}
