import type { LOSS_TENSORS } from '../batch/header.ts';
import type { Evaluation } from '../contract/cross-entropy.ts';
import { TENSOR_OUTPUTS } from '../loss/options.ts';
import type { TensorOutput } from '../loss/options.ts';
import { mapValues } from '../map-values.ts';
import { STATISTIC_OUTPUTS } from '../statistics/list.ts';
import { stringify } from '../wire/json-text/stringify.ts';
import { PER_LOGIT, PER_ROW, SCALARS, makeModel, scalarsOf } from './model.ts';
import type { DeclaredInput, DeclaredTensor } from './model.ts';

const INPUTS: Readonly<Record<(typeof LOSS_TENSORS)[number], DeclaredInput>> = {
  label: { dtype: 'int64', shape: PER_ROW, optional: false },
  logits: { dtype: 'float32', shape: PER_LOGIT, optional: false },
  input_mask: { dtype: 'float32', shape: PER_ROW, optional: true },
  weight: { dtype: 'float32', shape: [-1], optional: true },
  segments: { dtype: 'int64', shape: [-1], optional: true },
  bytes: { dtype: 'float64', shape: [-1], optional: true },
  words: { dtype: 'float64', shape: [-1], optional: true },
};

const DECLARED: Readonly<Record<TensorOutput, DeclaredTensor>> = {
  per_token_loss: { dtype: 'float64', shape: PER_ROW },
  gradient: { dtype: 'float32', shape: PER_LOGIT },
  ...mapValues(STATISTIC_OUTPUTS, ({ dtype }) => ({ dtype, shape: PER_ROW })),
};

/** The loss of one batch. */
export const CROSS_ENTROPY_MODEL = makeModel<Evaluation, 'cross_entropy'>({
  name: 'cross_entropy',
  inputs: INPUTS,
  scalars: SCALARS,
  tensors: Object.fromEntries(TENSOR_OUTPUTS.map((name) => [name, DECLARED[name]])),
  scalarsOf: (evaluation) => scalarsOf(evaluation, [evaluation.diagnostics.logits]),
  parametersOf: ({ z_loss, mean_nll, rows, metrics, sequences, diagnostics, kernel }) => ({
    verdict: diagnostics.verdict,
    z_loss,
    mean_nll,
    ...metrics,
    rows: JSON.stringify(rows),
    ...(sequences && { sequences: stringify(sequences) }),
    diagnostics: stringify(diagnostics),
    kernel,
  }),
});
