import { describe, expect, test } from 'vitest';
import {
  METRICS,
  STATISTICS,
  STATISTIC_OUTPUTS,
  makeColumns,
  requestStatistics,
  setColumns,
  statisticsOfShard,
} from '../../src/statistics/list.ts';
import type { StatisticName } from '../../src/statistics/list.ts';

const NAMES = Object.keys(STATISTICS) as StatisticName[];
const NOTHING = { outputs: [], metrics: [] };

test('a loss alone needs one statistic', () => {
  expect(requestStatistics(['loss'], NOTHING)).toEqual(['nll']);
});

test('terms, outputs and metrics add what they need, in the order of the list', () => {
  const asked = { outputs: ['entropy', 'lse'], metrics: ['ece'] };
  expect(requestStatistics(['smoothing', 'loss'], asked)).toEqual([
    'nll',
    'lse',
    'uniformNll',
    'rank',
    'entropy',
    'calibration',
  ]);
});

test('two reasons for a statistic request it once', () => {
  expect(requestStatistics(['z_loss'], { outputs: ['lse'], metrics: [] })).toEqual(['lse']);
});

test('a shard has the statistics that replace those of whole rows', () => {
  const requested = requestStatistics(['loss', 'gradient_norm'], { outputs: ['lse', 'predictions'], metrics: [] });
  expect(statisticsOfShard(requested, { probabilities: false })).toEqual([
    'nll',
    'rank',
    'largestLogit',
    'shardRows',
    'softmaxMoments',
  ]);
  expect(statisticsOfShard(['nll'], { probabilities: true })).toContain('shardProbabilities');
});

describe.each(NAMES)('%s', (name) => {
  const statistic = STATISTICS[name];
  const { columns, terms = [], needs = [], ofShard = [], outputs = {}, metrics = {} } = statistic;

  test('refers to statistics and columns of the list', () => {
    for (const other of [...needs, ...ofShard]) expect(NAMES).toContain(other);
    for (const { column } of Object.values(outputs)) expect(columns).toHaveProperty(column);
  });

  test('can be merged where an output or a metric of it says so', () => {
    const named = [...Object.values(outputs), ...Object.values(metrics)];
    const isOverShards = named.some(({ overShards }) => overShards === true);
    expect('merge' in statistic || !isOverShards).toBe(true);
  });

  test('has sums where it has metrics, or lists sequences', () => {
    expect('sums' in statistic).toBe(Object.keys(metrics).length > 0 || terms.includes('sequences'));
  });
});

test('sets of statistics fit into the bits of a number', () => {
  expect(NAMES.length).toBeLessThan(32);
});

test('no term, output or metric has the name of another', () => {
  const terms = new Set(Object.values(STATISTICS).flatMap(({ terms: own = [] }) => own));
  const names = [...terms, ...Object.keys(STATISTIC_OUTPUTS), ...Object.keys(METRICS)];
  expect(new Set(names).size).toBe(names.length);
});

test('no two statistics have a column, an output or a metric of the same name', () => {
  const all = Object.values(STATISTICS);
  const columns = all.flatMap((statistic) => Object.keys(statistic.columns));
  expect(new Set(columns).size).toBe(columns.length);
  expect(Object.keys(STATISTIC_OUTPUTS)).toHaveLength(all.flatMap(({ outputs = {} }) => Object.keys(outputs)).length);
  expect(Object.keys(METRICS)).toHaveLength(all.flatMap(({ metrics = {} }) => Object.keys(metrics)).length);
});

test('columns have the dtypes of their statistics, and take the rows of a block at their place', () => {
  const all = makeColumns(3, ['nll', 'rank']);
  const block = makeColumns(2, ['nll', 'rank']);
  block.nll.set([1, 2]);
  block.predictions!.set([7, 8]);
  setColumns(all, block, 1);
  expect(all).toEqual({
    nll: Float64Array.of(0, 1, 2),
    predictions: Int32Array.of(0, 7, 8),
    targetRank: Int32Array.of(0, 0, 0),
  });
});
