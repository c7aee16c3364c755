/** Evaluation as the only model of the Open Inference Protocol: its name, inputs and outputs. */
import { LossmeterError } from '../errors.ts';
import { TENSOR_OUTPUTS } from '../loss/options.ts';
import type { TensorOutput } from '../loss/options.ts';
import { mapValues } from '../map-values.ts';
import { STATISTIC_OUTPUTS } from '../statistics/list.ts';
import type { DType } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { stringify } from '../wire/json-text/stringify.ts';
import type { InferenceOutput } from '../wire/open-inference/reply.ts';
import type { LOSS_TENSORS } from '../batch/header.ts';
import type { InferenceRequest, ModelNames } from '../wire/open-inference/request.ts';
import type { Evaluation } from '../contract/cross-entropy.ts';

/** Declaration of a tensor of the model: −1 means any size. */
export interface DeclaredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

interface DeclaredInput extends DeclaredTensor {
  readonly optional: boolean;
}

const PER_ROW = [-1];
const PER_LOGIT = [-1, -1];

/** Inputs with their usual dtype and rank. The protocol can declare only one of each, although more are supported. */
const INPUTS: Readonly<Record<(typeof LOSS_TENSORS)[number], DeclaredInput>> = {
  label: { dtype: 'int64', shape: PER_ROW, optional: false },
  logits: { dtype: 'float32', shape: PER_LOGIT, optional: false },
  input_mask: { dtype: 'float32', shape: PER_ROW, optional: true },
  weight: { dtype: 'float32', shape: [-1], optional: true },
  segments: { dtype: 'int64', shape: [-1], optional: true },
  bytes: { dtype: 'float64', shape: [-1], optional: true },
  words: { dtype: 'float64', shape: [-1], optional: true },
};

const FLOAT: DeclaredTensor = { dtype: 'float64', shape: [1] };
const COUNT: DeclaredTensor = { dtype: 'int64', shape: [1] };

/** Outputs of every answer; `loss` only if the options form one. */
const SCALARS = {
  loss: FLOAT,
  numerator: FLOAT,
  denominator: FLOAT,
  nan_count: COUNT,
  inf_count: COUNT,
} as const;

const DECLARED: Readonly<Record<TensorOutput, DeclaredTensor>> = {
  per_token_loss: { dtype: 'float64', shape: PER_ROW },
  gradient: { dtype: 'float32', shape: PER_LOGIT },
  ...mapValues(STATISTIC_OUTPUTS, ({ dtype }) => ({ dtype, shape: PER_ROW })),
};

const TENSORS = Object.fromEntries(TENSOR_OUTPUTS.map((name) => [name, DECLARED[name]])) as typeof DECLARED;

export const MODEL = {
  name: 'cross_entropy',
  version: '1',
  platform: 'lossmeter',
  inputs: INPUTS,
  outputs: { ...SCALARS, ...TENSORS },
} as const;

export const NAMES: ModelNames = {
  inputs: Object.keys(INPUTS) as (keyof typeof INPUTS)[],
  always: Object.keys(SCALARS),
  optional: Object.keys(TENSORS),
};

/**
 * Outputs of an answer: the listed outputs, or without a list the scalars; and the outputs that the options request.
 * @throws LossmeterError invalid_option when the request lists the loss, and its options form none
 */
export function outputsOf(request: InferenceRequest, evaluation: Evaluation): InferenceOutput[] {
  const { outputs: listed, binaryOutput, options } = request;
  const found: Readonly<Record<string, Tensor>> = { ...scalarsOf(evaluation), ...evaluation.outputs };
  if (listed.length > 0 && found['loss'] === undefined && listed.some(({ name }) => name === 'loss')) {
    const detail = 'the options form no loss: leave it out of the outputs, numerator and denominator are there';
    throw new LossmeterError('invalid_option', detail);
  }
  const asked = listed.length === 0 ? Object.keys(found) : ((options?.['outputs'] ?? []) as readonly string[]);
  // The list of sequences is no tensor.
  const others = asked.filter((name) => found[name] !== undefined && !listed.some((output) => output.name === name));
  return [...listed, ...others.map((name) => ({ name, binary: binaryOutput }))].map(({ name, binary }) => ({
    ...{ name, binary },
    tensor: found[name]!,
  }));
}

function scalarsOf({ loss, numerator, denominator, diagnostics }: Evaluation): Record<string, Tensor> {
  const { nan, pos_inf: posInf, neg_inf: negInf } = diagnostics.logits;
  return {
    ...(loss === undefined ? {} : { loss: float(loss) }),
    numerator: float(numerator),
    denominator: float(denominator),
    nan_count: count(nan),
    inf_count: count(posInf + negInf),
  };
}

/**
 * Results of an evaluation that are not tensors, as parameters. Parameters are plain values, so structured results are
 * JSON text.
 */
export function parametersOf({ z_loss, mean_nll, rows, metrics, sequences, diagnostics, kernel }: Evaluation) {
  return {
    verdict: diagnostics.verdict,
    ...{ z_loss, mean_nll, ...metrics },
    rows: JSON.stringify(rows),
    ...(sequences && { sequences: stringify(sequences) }),
    diagnostics: stringify(diagnostics),
    kernel,
  };
}

function float(value: number): Tensor {
  return { ...FLOAT, data: new Uint8Array(Float64Array.of(value).buffer) };
}

function count(value: number): Tensor {
  return { ...COUNT, data: new Uint8Array(BigInt64Array.of(BigInt(value)).buffer) };
}
