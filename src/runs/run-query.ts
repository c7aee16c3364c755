/** Lists of runs: their orders, and the places where their pages begin. */
import { createHash } from 'node:crypto';
import { faultOfRunName } from '../contract/run-name.ts';
import type { RunSort } from '../contract/runs.ts';
import { LossmeterError } from '../errors.ts';
import { wordsOf } from './search.ts';

/** Selection and order of a list of runs. */
export interface RunQuery {
  /** Search words that must all match; empty for all runs. */
  search: string;
  sort: RunSort;
}

/** Keys of a run in the order of a list: the id; the name; the time of the last change and the id. */
export type RunPlace = readonly (string | number)[];

/** Makes the cursor that continues a list after a place. */
export function formatCursor(query: RunQuery, place: RunPlace): string {
  const key = query.sort === 'name' ? encodeURIComponent(place[0]!) : place.join('.');
  return isPlain(query) ? key : `${query.sort}~${digestOf(query)}~${key}`;
}

/**
 * Place of a cursor.
 * @param cursor that matches CURSOR_PATTERN
 * @throws LossmeterError bad_request when the cursor belongs to another list
 */
export function readCursor(query: RunQuery, cursor: string): RunPlace {
  const [, sort = 'newest', digest, key = cursor] = /^(\w+)~(\w+)~(.+)$/.exec(cursor) ?? [];
  if (sort !== query.sort) throw otherList(cursor, `a list with sort=${sort}, expected one of sort=${query.sort}`);
  if (digest !== (isPlain(query) ? undefined : digestOf(query))) throw otherList(cursor, 'a list of another search');
  const place = readPlace(query.sort, key);
  if (place === undefined) throw otherList(cursor, 'no list, expected `next` of the page before');
  return place;
}

const isPlain = ({ search, sort }: RunQuery): boolean => sort === 'newest' && wordsOf(search).length === 0;

/** Digest of the words: searches of the same words in the same order share their cursors. */
function digestOf({ search }: RunQuery): string {
  return createHash('sha256').update(wordsOf(search).join(' ')).digest('hex').slice(0, 16);
}

function readPlace(sort: RunSort, key: string): RunPlace | undefined {
  if (sort === 'name') return readName(key);
  const numbers = key.split('.').map(Number);
  const length = sort === 'updated' ? 2 : 1;
  return numbers.length === length && numbers.every(Number.isSafeInteger) ? numbers : undefined;
}

function readName(key: string): RunPlace | undefined {
  try {
    const name = decodeURIComponent(key);
    return faultOfRunName(name) === undefined ? [name] : undefined;
  } catch {
    return undefined;
  }
}

function otherList(cursor: string, what: string): LossmeterError {
  const detail = `cursor: "${cursor}" belongs to ${what}`;
  return new LossmeterError('bad_request', `the query is not valid: ${detail}`, [{ pointer: '/cursor', detail }]);
}
