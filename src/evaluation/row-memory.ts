import type { HeldBytesAccount } from '../wire/held-bytes.ts';
import { SPLIT_ADVICE } from '../wire/held-bytes.ts';

/** Accounts for the memory that targets, masks and results of rows take. @throws LossmeterError body_too_large, overloaded */
export function takeRows(held: HeldBytesAccount, rows: number, bytesPerRow: number): void {
  held.take(rows * bytesPerRow, `the results of ${rows} rows, ${bytesPerRow} bytes each,`, SPLIT_ADVICE);
}
