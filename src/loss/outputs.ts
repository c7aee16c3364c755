import type { Tensor } from '../tensor/tensor.ts';
import type { Options, OutputName } from './options.ts';
import type { RowColumns } from './rows.ts';
import type { Targets } from './targets.ts';

/** The tensors that a request asked for, by name: an entry per row, float64 or int32; and the gradient. */
export function makeOutputs(
  { outputs, reduction }: Options,
  columns: RowColumns,
  { perTokenLoss, gradient }: { perTokenLoss: Float64Array<ArrayBuffer> | undefined; gradient: Tensor | undefined },
  targets: Targets,
): Record<string, Tensor> {
  const names = new Set<OutputName>(outputs);
  if (reduction === 'none') names.add('per_token_loss');
  const found: Record<
    Exclude<OutputName, 'gradient'>,
    Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer> | undefined
  > = {
    per_token_loss: perTokenLoss,
    lse: columns.lse,
    predictions: columns.predictions,
    target_rank: columns.targetRank,
    entropy: columns.entropy,
  };
  return Object.fromEntries(
    [...names].map((name) => [name, name === 'gradient' ? gradient! : tensorOf(found[name]!, targets)]),
  );
}

function tensorOf(column: Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>, targets: Targets): Tensor {
  const { length, kept } = targets.sequence;
  const scored = kept === length ? column : column.filter((_value, row) => row % length < kept);
  const dtype = scored instanceof Float64Array ? 'float64' : 'int32';
  return { dtype, shape: targets.outputShape, data: new Uint8Array(scored.buffer) };
}
