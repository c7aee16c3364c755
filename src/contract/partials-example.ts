import { parseOptions } from '../loss/options.ts';

const column = (dtype: 'float64' | 'int32', value: number): object => ({ dtype, shape: [1], data: [value] });

/** Partial of the logits [1, 2, 3] of one row, whose label is class 2 of 6. */
const partialAt = (start: number, { nll, targetLogit }: { nll: number; targetLogit: number }): object => ({
  vocab_start: start,
  vocab_size: 6,
  classes: 3,
  shape: [1],
  output_shape: [1],
  options: parseOptions(undefined),
  kernel: 'f32-relaxed-simd',
  probabilities: false,
  target: column('int32', 2),
  columns: {
    nll: column('float64', nll),
    targetLogit: column('float64', targetLogit),
    reference: column('float64', 3),
    logSum: column('float64', 0.40760598919583024),
    maximum: column('float64', 3),
    nanCount: column('int32', 0),
    posInfCount: column('int32', 0),
    negInfCount: column('int32', 0),
  },
  causes: {},
  locations: [],
  labels: {
    min: 2,
    max: 2,
    out_of_range: 0,
  },
});

/** Answers of `/v1/cross-entropy/partials` for two shards of three classes. They can be combined. */
export function examplePartials(version: number): object[] {
  return [partialAt(0, { nll: 0.40760598919583024, targetLogit: 3 }), partialAt(3, { nll: 0, targetLogit: 0 })].map(
    (partial) => ({ lossmeter_partial: version, ...partial }),
  );
}
