import { Registry } from '@prometheus-io/client';
import { expect, test } from 'vitest';
import { TallyCounter, TallyHistogram } from '../../src/telemetry/series.ts';
import type { MetricRegistry } from '../../src/telemetry/series.ts';
import { Exposition } from '../exposition.ts';

test('a value at the bound of a bucket is in it, and buckets hold what is below', async () => {
  const registry: MetricRegistry = new Registry();
  const histogram = new TallyHistogram(registry, { name: 'test_seconds', help: 'Times.', bounds: [0.1, 1] });
  const observations = histogram.series({ phase: 'a' });
  for (const value of [0, 0.1, 0.5, 1, 1.25]) observations.observe(value);
  histogram.series({ phase: 'b' });

  const exposition = new Exposition(await registry.metrics());
  const bucket = (phase: string, le: string) => exposition.sum('test_seconds_bucket', { phase, le });
  expect([bucket('a', '0.1'), bucket('a', '1'), bucket('a', '+Inf')]).toEqual([2, 4, 5]);
  expect(exposition.sum('test_seconds_sum', { phase: 'a' })).toBeCloseTo(2.85, 12);
  expect(exposition.sum('test_seconds_count', { phase: 'a' })).toBe(5);
  expect([bucket('b', '+Inf'), exposition.sum('test_seconds_count', { phase: 'b' })]).toEqual([0, 0]);
});

test('a series counts for itself, whatever its labels hold', async () => {
  const registry: MetricRegistry = new Registry();
  const counter = new TallyCounter(registry, { name: 'test_total', help: 'A \\ and\na line.' });
  const odd = 'a "quoted" \\ and\na line';
  counter.series({ label: odd }).count += 2;
  counter.series({ label: 'other' }).count++;

  const exposition = new Exposition(await registry.metrics());
  expect(exposition.sum('test_total', { label: odd })).toBe(2);
  expect(exposition.sum('test_total')).toBe(3);
});
