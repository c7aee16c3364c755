import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Options, TensorOutput } from './options.ts';
import { STATISTIC_OUTPUTS } from '../statistics/list.ts';
import type { RowColumns } from '../statistics/list.ts';
import type { Targets } from './targets.ts';

/** The requested tensors by name: the gradient, and tensors with an entry per row in float64 or int32. */
export function* makeOutputs(
  { outputs, reduction }: Pick<Options, 'outputs' | 'reduction'>,
  columns: RowColumns,
  { perTokenLoss, gradient }: { perTokenLoss: Float64Array<ArrayBuffer> | undefined; gradient: Tensor | undefined },
  targets: Targets,
): Steps<Record<string, Tensor>> {
  const names = new Set<TensorOutput>(outputs.filter((name) => name !== 'sequences'));
  if (reduction === 'none') names.add('per_token_loss');
  const tensors: [name: string, tensor: Tensor][] = [];
  for (const name of names) {
    if (name === 'gradient') tensors.push([name, gradient!]);
    else {
      const column = name === 'per_token_loss' ? perTokenLoss : columns[STATISTIC_OUTPUTS[name].column];
      tensors.push([name, yield* rowTensor(column!, targets)]);
    }
  }
  return Object.fromEntries(tensors);
}

/** A column as a tensor, without the rows that a shift leaves out. */
export function* rowTensor(
  column: Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>,
  targets: Pick<Targets, 'rows' | 'sequence' | 'segments' | 'outputShape'>,
): Steps<Tensor> {
  const scored = yield* scoredRows(column, targets);
  const dtype = scored instanceof Float64Array ? 'float64' : 'int32';
  return { dtype, shape: targets.outputShape, data: new Uint8Array(scored.buffer) };
}

/** Entries of the rows of each sequence that a shift keeps. */
function* scoredRows(
  column: Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>,
  { rows, sequence: { length, kept }, segments }: Pick<Targets, 'rows' | 'sequence' | 'segments'>,
): Steps<Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>> {
  if (rows.total === column.length) return column;
  const scored = column instanceof Float64Array ? new Float64Array(rows.total) : new Int32Array(rows.total);
  let next = 0;
  if (segments !== undefined) {
    let begin = 0;
    yield* inSteps(segments.lengths.length, (from, to) => {
      for (let k = from; k < to; k++) {
        const ofSegment = segments.lengths[k]!;
        const scoredOf = Math.max(0, ofSegment - segments.shift);
        scored.set(column.subarray(begin, begin + scoredOf), next);
        begin += ofSegment;
        next += scoredOf;
      }
    });
    return scored;
  }
  yield* inSteps(column.length, (from, to) => {
    for (let row = from; row < to; row++) if (row % length < kept) scored[next++] = column[row]!;
  });
  return scored;
}
