import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';
import { SPLIT_ADVICE } from '../wire/body/held-bytes.ts';

/** Bytes of a class weight, which is read as float64. */
const BYTES_PER_WEIGHT = 8;

/** Accounts for the memory of targets, masks and results of rows. @throws LossmeterError body_too_large, overloaded */
export function takeRows(held: HeldBytesAccount, rows: number, bytesPerRow: number): void {
  held.take(rows * bytesPerRow, `the results of ${rows} rows, ${bytesPerRow} bytes each,`, SPLIT_ADVICE);
}

/** Accounts for one copy of the class weights. @throws LossmeterError body_too_large, overloaded */
export function takeClassWeights(held: HeldBytesAccount, classes: number): void {
  const what = `the weights of ${classes} classes, ${BYTES_PER_WEIGHT} bytes each,`;
  held.take(classes * BYTES_PER_WEIGHT, what, 'evaluate shards of the classes one after another');
}
