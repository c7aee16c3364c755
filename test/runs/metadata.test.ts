import { expect, test } from 'vitest';
import { LossmeterError } from '../../src/errors.ts';
import { readMetadata } from '../../src/runs/metadata.ts';

const many = (count: number, value: unknown): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count }, (_, k) => [`k${k}`, value]));

function refusalOf(metadata: unknown): LossmeterError {
  try {
    readMetadata(metadata);
  } catch (error) {
    if (error instanceof LossmeterError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

test('64 labels are accepted, 65 are refused', () => {
  expect(readMetadata({ labels: many(64, 1), expected_ranks: 8 })).toEqual({ labels: many(64, 1), expectedRanks: 8 });
  expect(refusalOf({ labels: many(65, 1) }).message).toContain('/labels must have at most 64 entries');
});

test.each([
  ['labels', { labels: many(200_000, 1) }],
  ['invalid labels', { labels: many(200_000, []) }],
  ['unknown members', many(200_000, 1)],
  ['characters of a key', { labels: { ['é'.repeat(1_000_000)]: [] } }],
])('200,000 and more %s are refused in one short turn, with a short list', (_, metadata) => {
  const before = process.threadCpuUsage();
  const error = refusalOf(metadata);
  const { user, system } = process.threadCpuUsage(before);
  // A check of each member would take seconds.
  expect((user + system) / 1000).toBeLessThan(400);
  expect(error.places.length).toBeLessThanOrEqual(8);
  expect(JSON.stringify(error.places).length).toBeLessThan(10_000);
});
