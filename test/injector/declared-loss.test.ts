/** Checks that a declared loss does not change the computed and recorded results. */
import { expect, test } from 'vitest';
import { Service } from '../service.ts';
import { Training, batchOf, random } from './training.ts';

const service = Service.start({ inlineLogits: 4096 });

const batch = batchOf(3, { rows: 48 });
const next = random(4);
const mask = batch.label.map((_, k) => (k % 3 === 0 ? 0 : 0.5 + (k % 2)));
const ignored = { ...batch, label: batch.label.map((y, k) => (k % 5 === 0 ? -100 : y)) };
const nanInMasked = { ...batch, logits: batch.logits.map((row, k) => (k % 3 === 0 ? row.with(2, Number.NaN) : row)) };
const impossible = {
  ...batch,
  logits: batch.logits.map((row, k) => row.with(batch.label[k] === 7 ? 8 : 7, -Infinity)),
};
const weight = { dtype: 'float32', shape: [32], data: Array.from({ length: 32 }, (_, c) => 1 + (c % 4)) };
const probabilities = batch.logits.map((row) => {
  const all = row.map(() => next());
  const total = all.reduce((a, b) => a + b, 0);
  return all.map((p) => p / total);
});

const BODIES: [what: string, body: object][] = [
  ['nothing else', batch],
  ['a mask', { ...batch, input_mask: mask }],
  ['ignored labels', ignored],
  ['NaN in masked rows', { ...nanInMasked, input_mask: mask }],
  ['NaN in counted rows', nanInMasked],
  ['classes that are impossible', impossible],
  ['classes that are impossible, with a z-loss', { ...impossible, options: { lse_square_scale: 0.01 } }],
  ['smoothing', { ...ignored, options: { label_smoothing: 0.1 } }],
  ['class weights', { ...ignored, weight }],
  ['class weights and smoothing', { ...ignored, weight, options: { label_smoothing: 0.2 } }],
  ['a shift', { ...ignored, options: { shift: 1 } }],
  ['a shift beyond the rows', { ...ignored, options: { shift: 48 } }],
  ['a shift within segments', { ...ignored, segments: [10, 30, 8], options: { shift: 2 } }],
  ['a softcap and a scale', { ...ignored, options: { softcap: 3, logit_scale: 0.7 } }],
  ['shards', { ...ignored, options: { parallel_config: { model_parallel: 4 } } }],
  ['a gradient', { ...ignored, options: { outputs: ['gradient', 'lse', 'per_token_loss'] } }],
  ['metrics', { ...ignored, options: { metrics: ['accuracy'], outputs: ['entropy'] } }],
  ['class probabilities', { logits: batch.logits, label: probabilities }],
  ['workers', batchOf(5, { rows: 300 })],
];

test.each(BODIES)('with %s', async (_what, body) => {
  const [plain, declaring] = [new Training(service), new Training(service)];
  const answers = [];
  for (const [training, others] of [
    [plain, {}],
    [declaring, { declared_loss: 123.456 }],
  ] as const)
    answers.push(await training.answer({ step: 1 }, { ...body, ...others }));
  const { declared, ...without } = answers[1]!;
  expect(without).toEqual(answers[0]);
  expect(declared).toMatchObject({ declared_loss: 123.456, agrees: false });
  expect(await plain.get(`comparison?with=${declaring.run}`)).toEqual({ same: 1 });
});
