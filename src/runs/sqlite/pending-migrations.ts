import { closeSync, openSync, readSync } from 'node:fs';
import { MIGRATIONS } from './migrations/index.ts';

/** Offset of the schema version in the header of a database: https://www.sqlite.org/fileformat2.html#user_version */
const USER_VERSION_AT = 60;

/**
 * Number of pending migrations of a file; 0 for a new or unreadable file. Reads the file directly, so it has to run
 * before any connection of the process: closing the file drops the process's locks on it.
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
