import { resultCodeOf } from './sqlite-error.ts';

/** Advice for an invalid file. */
const RESTORE =
  'Restore the file from a backup and remove its -wal and -shm files, or move all three away to begin a new history';

/** Advice for a file that was damaged while the service runs. */
export const STOP_AND_RESTORE = `Stop the service. ${RESTORE}`;

/** Advice for a file that was replaced after it was opened. */
export const MOVE_BACK =
  'Move the same file back, or restart the service to go on with the file that is there now, or with a new one';

const WRITABLE = 'The file, if it exists, and its folder must be writable by the user of the service';

/** Advice by primary result code: https://www.sqlite.org/rescode.html */
const ADVICE: Readonly<Record<number, string>> = {
  3: WRITABLE,
  5: 'Another program has locked the file; end that program',
  8: WRITABLE,
  10: `The disk failed, or has no space. ${WRITABLE}`,
  11: RESTORE,
  13: 'Make space on the disk',
  14: WRITABLE,
  26: RESTORE,
};

/** Error codes of the operating system for missing write access. */
const NOT_WRITABLE = new Set(['EACCES', 'EPERM', 'EROFS']);

/** Message of an error. Adds advice for an error of SQLite, an error with such a cause, and missing write access. */
export function adviseOn(error: unknown): string {
  const { message, cause, code: systemCode } = error as NodeJS.ErrnoException;
  if (systemCode !== undefined && NOT_WRITABLE.has(systemCode)) return `${message}. ${WRITABLE}`;
  const found = resultCodeOf(error) === undefined ? cause : error;
  const code = resultCodeOf(found);
  const advice = code === undefined ? undefined : ADVICE[code & 0xff];
  return advice === undefined ? message : `${(found as Error).message}. ${advice}`;
}
