import { statSync } from 'node:fs';
import { MOVE_BACK, STOP_AND_RESTORE } from './advice.ts';
import { OpenError } from './open-error.ts';
import { SharedFacts } from './shared-facts.ts';

/**
 * Opens the file that was opened first, and rejects any other: SQLite itself creates a missing file and accepts a new
 * one. A damaged file is rejected too: opening it could write to it.
 * @throws OpenError
 */
export function openSameFile<T>(path: string, facts: SharedFacts, open: () => T): T {
  if (facts.damage !== undefined) throw new OpenError(path, `${facts.damage}. ${STOP_AND_RESTORE}`);
  if (facts.identity !== undefined) {
    if (!isSameFile(path, facts)) throw new OpenError(path, `the file was moved, removed or replaced. ${MOVE_BACK}`);
    return open();
  }
  const opened = open();
  const { dev: device, ino: inode } = statSync(path, { bigint: true });
  facts.identity = { device, inode };
  return opened;
}

/**
 * Opens a history in memory, once: its data is lost with the thread that opened it.
 * @throws OpenError
 */
export function openMemoryOnce<T>(facts: SharedFacts, open: () => T): T {
  if (facts.identity !== undefined) {
    throw new OpenError(':memory:', 'the thread that kept it in memory ended. Restart the service for a new history');
  }
  const opened = open();
  facts.identity = SharedFacts.MEMORY;
  return opened;
}

/** Returns true when the path still names the file that was opened first. */
export function isSameFile(path: string, { identity }: SharedFacts): boolean {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found !== undefined && found.dev === identity?.device && found.ino === identity.inode;
}
