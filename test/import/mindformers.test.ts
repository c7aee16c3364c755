import { expect, test } from 'vitest';
import { mindformers } from '../../src/import/mindformers.ts';
import { fixture, itemsOf, parse } from './parse.ts';

const log = fixture('mindformers/rank_1/info.log');
const items = itemsOf(parse(mindformers, [log], { rank: 1 }));

test('a line of MFLossMonitor is the loss and a scalar per number', () => {
  expect(items[0]).toEqual({
    step: 1,
    rank: 1,
    attempt: 0,
    numerator: 10.641,
    denominator: 1,
    scalars: {
      per_step_time: 103_328,
      lr: 0,
      'overflow cond': 0,
      loss_scale: 1,
      global_norm: 131.049,
      train_throughput_per_npu: 2.896,
    },
  });
});

test('the line of progress gives the throughput of the step before it', () => {
  expect(items[1]).toEqual({ step: 1, rank: 1, attempt: 0, scalars: { samples_per_second_per_device: 0.00968 } });
});

test('a NaN loss and an overflow are recorded, and "unavailable" is no number', () => {
  expect(items[2]).toEqual({
    step: 2,
    rank: 1,
    attempt: 0,
    numerator: Number.NaN,
    denominator: 1,
    scalars: { per_step_time: 1752, lr: 1e-5, 'overflow cond': 1, global_norm: Number.NaN },
  });
});

test('a line of TrainingStateMonitor is a scalar', () => {
  expect(items[4]).toEqual({ step: 2, rank: 1, attempt: 0, scalars: { 'local_norm/model.layers.0.weight': 0.125 } });
});

test('steps go on in the next epoch, and the mean of the epoch is a scalar', () => {
  expect(items[5]).toEqual({
    step: 4,
    rank: 1,
    attempt: 0,
    numerator: 2.221,
    denominator: 1,
    scalars: { epoch_mean_loss: 2.251, time: 1951.612, lr: 2.449_999_8e-6, 'overflow cond': 0, loss_scale: 16_384 },
  });
});

test('chunks of any size give the same entries, though they cut characters', () => {
  expect(parse(mindformers, [log], { chunk: 5, rank: 1 })).toEqual(parse(mindformers, [log], { rank: 1 }));
});

test('a log that is appended by a resumed run is the next attempt', () => {
  const again = itemsOf(parse(mindformers, [Buffer.concat([log, log])]));
  expect(again.map(({ attempt }) => attempt)).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
});
