import { readSync } from 'node:fs';
import { LossmeterError } from '../errors.ts';
import type { LocalRange } from '../tensor/file-range.ts';

/**
 * Reads a range of a file by position, so that threads do not disturb one another. Blocks the thread, so only workers
 * use it.
 * @param target buffer of the range's length
 * @throws LossmeterError file_unreadable, and file_changed when the file has become shorter
 */
export function readRange({ fd, name, position, byteLength }: LocalRange, target: Uint8Array): void {
  for (let filled = 0; filled < byteLength;) {
    const came = readBytes(name, fd, target, filled, position + filled);
    if (came === 0) {
      throw endedEarly(name, position + filled);
    }
    filled += came;
  }
}

/** Error of a file that has become shorter since it was opened. */
export function endedEarly(name: string, end: number): LossmeterError {
  return new LossmeterError('file_changed', `${name} has become shorter while it was read: it ends at byte ${end}`);
}

function readBytes(name: string, fd: number, target: Uint8Array, filled: number, position: number): number {
  try {
    return readSync(fd, target, filled, target.byteLength - filled, position);
  } catch (cause) {
    throw new LossmeterError('file_unreadable', `${name} cannot be read: ${(cause as Error).message}`, [], { cause });
  }
}
