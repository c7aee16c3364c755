import { expect, test } from 'vitest';
import { megatron } from '../../src/import/megatron.ts';
import { fixture, itemsOf, parse } from './parse.ts';

const log = fixture('megatron.log');
const items = itemsOf(parse(megatron, [log]));

test('a line of training is the loss and a scalar per key', () => {
  expect(items[1]).toEqual({
    step: 2,
    rank: 0,
    attempt: 0,
    numerator: 10.83491,
    denominator: 1,
    scalars: {
      'consumed samples': 32,
      'elapsed time per iteration (ms)': 410.3,
      'throughput per GPU (TFLOP/s/GPU)': 110.5,
      'learning rate': 1.5e-5,
      'global batch size': 16,
      load_balancing_loss: 1,
      'loss scale': 32768,
      'grad norm': 21.313,
      'num zeros': 12,
      'params norm': 241.466,
      'number of skipped iterations': 0,
      'number of nan iterations': 0,
    },
  });
});

test('a skipped iteration without a loss has scalars alone', () => {
  expect(items[0]).toMatchObject({ step: 1, scalars: { 'number of skipped iterations': 1 } });
  expect(items[0]).not.toHaveProperty('numerator');
});

test('a counted NaN iteration has a NaN loss, though 0 is printed', () => {
  expect(items[2]).toMatchObject({
    step: 3,
    numerator: Number.NaN,
    denominator: 1,
    scalars: { 'grad norm': Infinity },
  });
});

test('a loss that is left out without a skipped iteration is NaN', () => {
  expect(items[3]).toMatchObject({ step: 4, numerator: Number.NaN, scalars: { 'grad norm': Number.NaN } });
});

test('a validation is two scalars of its iteration', () => {
  expect(items[4]).toEqual({
    step: 4,
    rank: 0,
    attempt: 0,
    scalars: { 'lm loss validation': 9.25, 'lm loss validation ppl': 10_404.57 },
  });
});

test('a log that goes back is of a resumed run: the attempt is the next one', () => {
  expect(items.slice(5)).toMatchObject([
    { step: 3, attempt: 1, numerator: 9.1 },
    { step: 3, attempt: 1, scalars: { 'lm loss test': 9 } },
  ]);
});

test('the log of a resumed job in a second file is the next attempt', () => {
  const again = itemsOf(parse(megatron, [log, log], { attempt: 2 }));
  expect(again.slice(items.length).map(({ attempt }) => attempt)).toEqual([4, 4, 4, 4, 4, 5, 5]);
});

test('places are line numbers, and chunks of any size give the same entries', () => {
  const whole = parse(megatron, [log]);
  expect(whole.map(({ at }) => at)).toEqual([3, 6, 8, 9, 11, 13, 14]);
  expect(parse(megatron, [log], { chunk: 7 })).toEqual(whole);
});

test('the form of Megatron-DeepSpeed is read, with an infinite loss', () => {
  expect(itemsOf(parse(megatron, [fixture('megatron-deepspeed.log')]))).toMatchObject([
    { step: 10, numerator: 13.328_03, scalars: { 'elapsed time per iteration (s)': 35.8651, TFLOPs: 199.03 } },
    { step: 20, numerator: Infinity },
  ]);
});

test('--loss names another loss', () => {
  const [, second] = itemsOf(parse(megatron, [log], { loss: 'load_balancing_loss' }));
  expect(second).toMatchObject({ numerator: 1, scalars: { 'lm loss': 10.83491 } });
});
