/** Queries for lists of runs, and the cursors of their pages. */
import { createHash } from 'node:crypto';
import { faultOfRunName } from '../contract/run-name.ts';
import type { RunState } from '../contract/run-metadata.ts';
import type { ARCHIVED, RunSort } from '../contract/runs.ts';
import { LossmeterError } from '../errors.ts';
import { wordsOf } from './search.ts';

/** Selection and order of a list of runs. */
export interface RunQuery {
  /** Search words that must all match; empty for all runs. */
  search: string;
  sort: RunSort;
  state?: RunState | undefined;
  /** Labels that must all match, as `name=value`. */
  labels?: readonly string[] | undefined;
  /** Tags that must all match. */
  tags?: readonly string[] | undefined;
  /** `true` for archived runs, `false` for other runs, `any` for both; by default `false`. */
  archived?: (typeof ARCHIVED)[number] | undefined;
}

/** Sort key of a run in a list: its id; its name; or the time of its last change and its id. */
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
  if (sort !== query.sort)
    throw otherList(cursor, `a list with sort=${sort}, expected the cursor of a list with sort=${query.sort}`);
  if (digest !== (isPlain(query) ? undefined : digestOf(query)))
    throw otherList(cursor, 'a list of another search or with other filters');
  const place = readPlace(query.sort, key);
  if (place === undefined) throw otherList(cursor, 'no list, expected the value of `next` in the previous page');
  return place;
}

const isPlain = (query: RunQuery): boolean =>
  query.sort === 'newest' && wordsOf(query.search).length === 0 && filtersOf(query) === '';

/** Digest of the words and the filters: searches of the same words in the same order share their cursors. */
function digestOf(query: RunQuery): string {
  const text = wordsOf(query.search).join(' ') + filtersOf(query);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Filters as text, independent of the order of labels and tags; empty for none. No search contains its line break. */
function filtersOf({ state, labels = [], tags = [], archived = 'false' }: RunQuery): string {
  const filters = [state ?? '', distinct(labels), distinct(tags), archived];
  const isEmpty = state === undefined && labels.length === 0 && tags.length === 0 && archived === 'false';
  return isEmpty ? '' : `\n${JSON.stringify(filters)}`;
}

const distinct = (texts: readonly string[]): string[] => [...new Set(texts)].toSorted();

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
