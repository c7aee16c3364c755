import { expect, test } from 'vitest';
import {
  OPTIONS_OF_THE_LOSS,
  SHARED_OPTIONS,
  SUMMED_OPTIONS,
  comparable,
  differingOption,
  requireChangeable,
  requireShardable,
} from '../../src/loss/option-rules.ts';
import { OPTION_NAMES, parseOptions } from '../../src/loss/options.ts';
import type { Options } from '../../src/loss/options.ts';

test('the lists name options, each at most once', () => {
  for (const list of [OPTIONS_OF_THE_LOSS, SHARED_OPTIONS, SUMMED_OPTIONS]) {
    expect(new Set(list).size).toBe(list.length);
    expect(list.filter((name) => !OPTION_NAMES.includes(name))).toEqual([]);
  }
});

test('batches whose sums are added may be divided differently, and must have the same metrics', () => {
  expect(SUMMED_OPTIONS).toContain('metrics');
  expect(SUMMED_OPTIONS).not.toContain('parallel_config');
});

test('partials may differ in the dtype of a gradient, which they do not have, and in nothing else', () => {
  expect(OPTION_NAMES.filter((name) => !SHARED_OPTIONS.includes(name))).toEqual(['gradient_dtype']);
});

test('the order and repetitions of a set make no difference', () => {
  const one = parseOptions({ ignore_index: [3, -100, 3], outputs: ['lse', 'entropy'] });
  const other = parseOptions({ ignore_index: [-100, 3], outputs: ['entropy', 'lse'] });
  expect(comparable(one)).toEqual(comparable(other));
  expect(comparable(parseOptions({ ignore_index: 7 }))).toEqual(comparable(parseOptions({ ignore_index: [7] })));
});

test('the first differing option is named with both values', () => {
  const [a, b] = [parseOptions({ shift: 1 }), parseOptions({ reduction: 'sum' })];
  expect(differingOption(a, b, ['reduction', 'shift'])).toEqual({ name: 'reduction', one: '"mean"', other: '"sum"' });
  expect(differingOption(a, b, ['semantics'])).toBeUndefined();
});

test.each<[given: Partial<Options>, probabilities: boolean, expected: string]>([
  [{ outputs: ['lse', 'entropy'] }, false, 'options.outputs asks for entropy'],
  [{ outputs: ['gradient'] }, false, 'options.outputs asks for gradient'],
  [{ metrics: ['accuracy', 'ece'] }, false, 'options.metrics asks for ece'],
  [{ parallel_config: { data_parallel: 1, model_parallel: 2 } }, false, 'options.parallel_config asks for 2 shards'],
  [{ check_for_nan_in_loss_and_grad: true }, true, 'gradient of class probabilities'],
  [{ check_for_nan_in_loss_and_grad: true, softcap: 30 }, false, 'gradient of soft-capped logits'],
])('%j is refused over shards', (given, probabilities, expected) => {
  expect(() => requireShardable(parseOptions(given), { probabilities })).toThrow(expected);
});

test('what shards can answer is accepted', () => {
  const options = parseOptions({
    outputs: ['per_token_loss', 'lse', 'predictions'],
    metrics: ['accuracy'],
    check_for_nan_in_loss_and_grad: true,
  });
  expect(() => requireShardable(options, { probabilities: false })).not.toThrow();
});

const MADE = { label_smoothing: 0.1, outputs: ['lse'], metrics: ['accuracy'], logit_scale: 0.5 };

test.each([
  { logit_scale: 1 },
  { shift: 1 },
  { invalid_label: 'zero_loss' },
  { check_for_nan_in_loss_and_grad: true },
  { outputs: ['predictions'] },
  { metrics: ['accuracy', 'top5_accuracy'] },
])('%j cannot be asked of partials that were made without', (change) => {
  const [made, options] = [parseOptions(MADE), parseOptions({ ...MADE, ...change })];
  expect(() => requireChangeable(options, made)).toThrow(`options.${Object.keys(change)[0]} is`);
});

test.each([
  { label_smoothing: 0 },
  { label_smoothing: 0.3 },
  { reduction: 'sum' },
  { semantics: 'torch' },
  { outputs: ['per_token_loss'] },
  { outputs: [], metrics: [] },
])('%j can be asked of partials that were made with more', (change) => {
  const [made, options] = [parseOptions(MADE), parseOptions({ ...MADE, ...change })];
  expect(() => requireChangeable(options, made)).not.toThrow();
});

test('smoothing cannot be added', () => {
  expect(() => requireChangeable(parseOptions({ label_smoothing: 0.1 }), parseOptions({}))).toThrow('label_smoothing');
});
