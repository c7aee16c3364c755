/** A kind of evaluation as a model of the Open Inference Protocol. */
import { LossmeterError } from '../errors.ts';
import type { DType } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { InferenceOutput } from '../wire/open-inference/reply.ts';
import type { InferenceRequest, ModelNames } from '../wire/open-inference/request.ts';
import type { TensorName } from '../wire/request-fields.ts';

/** Declaration of a tensor of a model: −1 means any size. */
export interface DeclaredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export interface DeclaredInput extends DeclaredTensor {
  readonly optional: boolean;
}

/** An answer that has tensors. */
export interface WithOutputs {
  readonly outputs: Readonly<Record<string, Tensor>>;
}

interface ModelParts<A extends WithOutputs, Name extends string> {
  readonly name: Name;
  /** Inputs with their usual dtype and rank. The protocol declares only one dtype and rank, but the model accepts others. */
  readonly inputs: Readonly<Partial<Record<TensorName, DeclaredInput>>>;
  /** Outputs of every answer; `loss` only if the options give a loss. */
  readonly scalars: Readonly<Record<string, DeclaredTensor>>;
  /** Outputs that the option `outputs` requests. */
  readonly tensors: Readonly<Record<string, DeclaredTensor>>;
  scalarsOf: (answer: A) => Readonly<Record<string, Tensor>>;
  /** Results that are not tensors. Parameters are plain values, so structured results are JSON text. */
  parametersOf: (answer: A) => Readonly<Record<string, unknown>>;
}

/** A model. */
export interface Model<A extends WithOutputs, Name extends string = string> extends ModelParts<A, Name> {
  readonly version: string;
  readonly platform: string;
  readonly outputs: Readonly<Record<string, DeclaredTensor>>;
  readonly names: ModelNames;
}

export const PER_ROW = [-1];
export const PER_LOGIT = [-1, -1];

const FLOAT: DeclaredTensor = { dtype: 'float64', shape: [1] };
const COUNT: DeclaredTensor = { dtype: 'int64', shape: [1] };

/** Scalars that every model has. */
export const SCALARS = { loss: FLOAT, numerator: FLOAT, denominator: FLOAT, nan_count: COUNT, inf_count: COUNT };

export function makeModel<A extends WithOutputs, Name extends string>(parts: ModelParts<A, Name>): Model<A, Name> {
  const { inputs, scalars, tensors } = parts;
  return {
    ...parts,
    version: '1',
    platform: 'lossmeter',
    outputs: { ...scalars, ...tensors },
    names: {
      inputs: Object.keys(inputs) as TensorName[],
      always: Object.keys(scalars),
      optional: Object.keys(tensors),
    },
  };
}

/**
 * Outputs of an answer: the listed outputs, or without a list the scalars; and the outputs that the options request.
 * @throws LossmeterError invalid_option when the request lists the loss, but its options give no loss
 */
export function outputsOf<A extends WithOutputs>(
  model: Model<A>,
  request: InferenceRequest,
  answer: A,
): InferenceOutput[] {
  const { outputs: listed, binaryOutput, options } = request;
  const found: Readonly<Record<string, Tensor>> = { ...model.scalarsOf(answer), ...answer.outputs };
  if (listed.length > 0 && found['loss'] === undefined && listed.some(({ name }) => name === 'loss')) {
    const detail = 'these options give no loss: remove loss from the outputs, and use numerator and denominator';
    throw new LossmeterError('invalid_option', detail);
  }
  const asked = listed.length === 0 ? Object.keys(found) : ((options?.['outputs'] ?? []) as readonly string[]);
  // Leaves out the list of sequences, which is not a tensor.
  const others = asked.filter((name) => found[name] !== undefined && !listed.some((output) => output.name === name));
  return [...listed, ...others.map((name) => ({ name, binary: binaryOutput }))].map(({ name, binary }) => ({
    name,
    binary,
    tensor: found[name]!,
  }));
}

/** The scalars of an answer. */
export function scalarsOf(
  { loss, numerator, denominator }: { loss?: number | undefined; numerator: number; denominator: number },
  counts: readonly { nan: number; pos_inf: number; neg_inf: number }[],
): Readonly<Record<string, Tensor>> {
  const total = (of: (one: (typeof counts)[number]) => number): number => counts.reduce((sum, one) => sum + of(one), 0);
  return {
    ...(loss !== undefined && { loss: float(loss) }),
    numerator: float(numerator),
    denominator: float(denominator),
    nan_count: count(total(({ nan }) => nan)),
    inf_count: count(total(({ pos_inf: posInf, neg_inf: negInf }) => posInf + negInf)),
  };
}

function float(value: number): Tensor {
  return { ...FLOAT, data: new Uint8Array(Float64Array.of(value).buffer) };
}

function count(value: number): Tensor {
  return { ...COUNT, data: new Uint8Array(BigInt64Array.of(BigInt(value)).buffer) };
}
