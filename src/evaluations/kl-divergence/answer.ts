import type { CountedRows } from '../../comparison/moments.ts';
import { sumOver } from '../../comparison/moments.ts';
import type { ROW_OUTPUTS, TensorOutput } from '../../comparison/options.ts';
import { compareSequences } from '../../comparison/sequences.ts';
import {
  agreementOf,
  agrees,
  ascendingOf,
  differenceStatistics,
  divergenceStatistics,
  perplexityStatistics,
  probabilityDifference,
  worstRows,
} from '../../comparison/summary.ts';
import type { Comparison } from '../../contract/kl-divergence.ts';
import type { ComparedColumns } from '../../engine/block.ts';
import type { RowResults } from '../../engine/block-writer.ts';
import { LossmeterError } from '../../errors.ts';
import { divide } from '../../loss/denominators.ts';
import { rowTensor } from '../../loss/outputs.ts';
import { sequenceFactsOf } from '../../loss/targets.ts';
import { inSteps } from '../../steps.ts';
import type { Steps } from '../../steps.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { diagnoseComparison } from './diagnose.ts';
import type { ComparedPlan, ComparisonPlan, PlainResults } from './plan.ts';

/** Makes the answer of compared rows. @throws LossmeterError non_finite_loss, when the options reject it */
export function answerComparison(plan: ComparisonPlan, results: RowResults): Steps<Comparison> {
  return answerRows(plan, results, outputsOf(plan, results));
}

/** Makes the answer of compared rows without tensors. @throws LossmeterError non_finite_loss */
export function* answerWithoutOutputs(plan: ComparedPlan, results: PlainResults): Steps<Omit<Comparison, 'outputs'>> {
  const { outputs: _, ...answer } = yield* answerRows(plan, results);
  return answer;
}

function* answerRows(
  plan: ComparedPlan,
  results: PlainResults,
  outputs?: Steps<Record<string, Tensor>>,
): Steps<Comparison> {
  const { options, targets, hasLabel, counted } = plan;
  const columns = results.columns as ComparedColumns;
  const { divergence, nll, referenceNll } = columns;
  const { masks, weight } = counted;
  const numerator = yield* sumOver(counted, (row) => (masks?.[row] ?? 1) * divergence[row]!);
  const ascending = yield* ascendingOf(counted, (row) => divergence[row]!);
  const nanRows = counted.rows.length - ascending.length;
  const diagnostics = yield* diagnoseComparison(plan, results, { numerator, nanRows });
  if (options.on_non_finite === 'reject' && diagnostics.verdict === 'non_finite') {
    const detail = `the numerator is ${numerator}: ${diagnostics.summary}`;
    throw new LossmeterError('non_finite_loss', detail, [], { extensions: { diagnostics } });
  }
  const differenceAt = (row: number): number => probabilityDifference(nll[row]!, referenceNll[row]!);
  const worst = yield* worstRows(counted, columns, { ascending, most: options.worst_rows });
  const { reduction } = options;
  return {
    ...(reduction === 'sum' && { loss: numerator }),
    ...(reduction === 'mean' && { loss: divide(numerator, weight, options) }),
    numerator,
    denominator: weight,
    kl_divergence: yield* divergenceStatistics(counted, columns, ascending),
    top1_agreement: yield* agreementOf(counted, columns),
    ...(hasLabel && {
      probability_difference: yield* differenceStatistics(counted, differenceAt),
      perplexity: yield* perplexityStatistics(counted, nll, referenceNll),
    }),
    rows: targets.rows,
    outputs: outputs === undefined ? {} : yield* outputs,
    ...(options.outputs.includes('sequences') && {
      sequences: yield* compareSequences(
        counted,
        { divergence, ...(hasLabel ? { nll, referenceNll } : { nll: undefined, referenceNll: undefined }) },
        sequenceFactsOf(targets),
      ),
    }),
    worst_rows: worst.map((row) => ({
      row,
      kl_divergence: divergence[row]!,
      prediction: columns.prediction[row]!,
      reference_prediction: columns.referencePrediction[row]!,
      ...(hasLabel && { label: targets.classes[row]!, nll: nll[row]!, reference_nll: referenceNll[row]! }),
    })),
    diagnostics,
    kernel: plan.kernel,
  };
}

function* outputsOf(
  { options, layout, targets, gradientDType, counted }: ComparisonPlan,
  { columns, gradient }: RowResults,
): Steps<Record<string, Tensor>> {
  const tensors: [TensorOutput, Tensor][] = [];
  for (const name of options.outputs) {
    // The list of sequences is not a tensor.
    if (name === 'sequences') continue;
    if (name === 'gradient') {
      tensors.push([name, { dtype: gradientDType, shape: layout.given, data: gradient! }]);
      continue;
    }
    const column = yield* columnOf(name, columns as ComparedColumns, counted);
    yield;
    tensors.push([name, yield* rowTensor(column, targets)]);
  }
  return Object.fromEntries(tensors);
}

type Column = Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Column of an output that has an entry per row. */
function* columnOf(
  name: keyof typeof ROW_OUTPUTS,
  { divergence, nll, referenceNll, prediction, referencePrediction }: ComparedColumns,
  counted: CountedRows,
): Steps<Column> {
  switch (name) {
    case 'kl_divergence':
      return divergence;
    case 'nll':
      return nll;
    case 'reference_nll':
      return referenceNll;
    case 'top1_agreement':
      return yield* filled(counted, new Int32Array(nll.length), (row) =>
        agrees(prediction[row]!, referencePrediction[row]!),
      );
    case 'probability_difference':
      return yield* filled(counted, new Float64Array(nll.length), (row) =>
        probabilityDifference(nll[row]!, referenceNll[row]!),
      );
  }
}

/** A column with a value for each counted row, 0 for the others. */
function* filled({ rows }: CountedRows, column: Column, value: (row: number) => number): Steps<Column> {
  yield* inSteps(rows.length, (from, to) => {
    for (let k = from; k < to; k++) column[rows[k]!] = value(rows[k]!);
  });
  return column;
}
