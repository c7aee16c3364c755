/** Tests for the runs of a query: SQL conditions that exclude most other runs, and an exact test of the remaining rows. */
import type { Labels } from '../contract/run-metadata.ts';
import { isActive } from './activity.ts';
import { stateOf } from './life.ts';
import { toLabels, toSaid, toTags } from './rows.ts';
import type { Row } from './rows.ts';
import type { RunQuery } from './run-query.ts';
import { matches, wordsOf } from './search.ts';
import type { RunCounts } from './store.ts';

/** Columns of a run that the exact test reads, except labels and tags. */
const COLUMNS = 'id, name, updated_at, batches, non_finite_steps, state, said_at, archived';

/** Exact test of a query. */
export interface Matcher {
  /** Columns that `matches` reads. */
  columns: string;
  /** True for a query that the SQL conditions alone decide. */
  isPlain: boolean;
  matches: (row: Row) => boolean;
}

/** Decimal number, optionally with an exponent. */
const NUMBER = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i;

const factsOf = (row: Row) => ({
  said: toSaid(row),
  updatedAt: Number(row['updated_at']),
  batches: Number(row['batches']),
});

/** Makes the exact test of a query, for rows that its SQL conditions selected. */
export function matcherOf({ search, state, labels = [], tags = [] }: RunQuery, now: number): Matcher {
  const words = wordsOf(search);
  const parts = words.flatMap((word) => word.split('=')).filter((part) => SIMPLE.test(part));
  const [needsLabels, needsTags] = [words.length > 0 || labels.length > 0, tags.length > 0];
  return {
    columns: `${COLUMNS}${needsLabels ? ', labels' : ''}${needsTags ? ', tags' : ''}`,
    isPlain: state === undefined && !needsLabels && !needsTags,
    matches: (row) => {
      if (state !== undefined && stateOf(factsOf(row), now) !== state) return false;
      if (needsTags && !hasAll(toTags(row), tags)) return false;
      if (!needsLabels) return true;
      if (parts.length > 0 && !hasParts(row, parts)) return false;
      const own = toLabels(row);
      if (!labels.every((label) => hasLabel(own, label))) return false;
      return words.length === 0 || matches({ run: row['name'] as string, labels: own }, words);
    },
  };
}

/** Lower-case text that JSON writes without escapes. */
const SIMPLE = /^[a-z0-9._/-]+$/;

/** True for a run that may match: its name and its labels, as unparsed JSON, contain all parts of the words. */
function hasParts(row: Row, parts: readonly string[]): boolean {
  const text = `${row['name'] as string}\n${row['labels'] as string}`.toLowerCase();
  return parts.every((part) => text.includes(part));
}

const hasAll = (own: readonly string[], wanted: readonly string[]): boolean => wanted.every((one) => own.includes(one));

/** Name and value of a label, as `name=value`. */
function partsOf(label: string): [name: string, value: string] {
  const at = label.indexOf('=');
  return [label.slice(0, at), label.slice(at + 1)];
}

/** True when the labels include a given label. Numbers are compared by value (1e-4 equals 0.0001), texts exactly. */
function hasLabel(labels: Labels, label: string): boolean {
  const [name, text] = partsOf(label);
  const value = Object.hasOwn(labels, name) ? labels[name] : undefined;
  if (typeof value === 'number') return NUMBER.test(text) && Number(text) === value;
  return value !== undefined && String(value) === text;
}

/** Adds a run to counts. */
export function addTo(counts: RunCounts, row: Row, now: number): void {
  counts.total++;
  if (isActive(factsOf(row), now)) counts.active++;
  if (Number(row['non_finite_steps']) > 0) counts.nonFinite++;
}

/**
 * SQL conditions that every matching run meets: the archived flag, and texts that the columns of labels and tags must
 * contain. The columns are JSON, in which each label and each tag has one form.
 * @param find makes the condition that a column contains a text
 */
export function conditionsOf(
  { labels = [], tags = [], archived = 'false' }: RunQuery,
  find: (column: 'labels' | 'tags', text: string) => string,
): string[] {
  return [
    ...(archived === 'any' ? [] : [`archived = ${archived === 'true' ? 1 : 0}`]),
    ...labels.map((label) => {
      const [name, value] = partsOf(label);
      const forms = [
        JSON.stringify(value),
        ...(NUMBER.test(value) ? [JSON.stringify(Number(value))] : []),
        ...(/^(?:true|false)$/.test(value) ? [value] : []),
      ];
      return `(${forms.map((form) => find('labels', `${JSON.stringify(name)}:${form}`)).join(' OR ')})`;
    }),
    ...tags.map((tag) => find('tags', JSON.stringify(tag))),
  ];
}
