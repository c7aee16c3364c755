import { statSync } from 'node:fs';
import { MOVE_BACK } from './advice.ts';
import { OpenError } from './open-error.ts';

/**
 * Opens a file that was opened before, and no other: SQLite would make a file that is missing, and go on with one that is
 * new.
 * @param identity device and inode of the file, or zeros before it is first opened
 * @throws OpenError
 */
export function openSameFile<T>(path: string, identity: BigInt64Array, open: () => T): T {
  const [device, inode] = identity;
  if (inode !== 0n) {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (found?.dev !== device || found?.ino !== inode)
      throw new OpenError(path, `the file was moved, removed or replaced. ${MOVE_BACK}`);
    return open();
  }
  const opened = open();
  const { dev, ino } = statSync(path, { bigint: true });
  identity.set([dev, ino]);
  return opened;
}
