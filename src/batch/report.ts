import { LossmeterError } from '../errors.ts';
import type { Evaluation } from '../contract/cross-entropy.ts';
import { diagnose } from './diagnostics.ts';
import type { Findings } from '../diagnostics/findings.ts';
import type { Options } from '../loss/options.ts';
import { makeOutputs } from '../loss/outputs.ts';
import { reduceRows } from '../loss/reduction.ts';
import type { Reduction, ReductionFacts } from '../loss/reduction.ts';
import type { RowColumns } from '../statistics/list.ts';
import type { RecordedAs } from '../diagnostics/summary.ts';
import type { Targets } from '../loss/targets.ts';
import type { Steps } from '../steps.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { restoreGradient } from './layout.ts';
import type { Layout } from './layout.ts';

/** Row results of a batch, and the properties that their reduction needs. */
export interface EvaluatedBatch extends ReductionFacts {
  options: Options;
  targets: Targets;
  columns: RowColumns;
  findings: Findings;
  /** Gradient with the class axis last. */
  gradient: Tensor | undefined;
  /** Layout of the gradient in the answer. */
  layout?: Layout;
  /** Number of entries sent as null. */
  nulls: number;
  kernel: string;
}

/**
 * Reduces the rows of a batch, and reports on it.
 * @param recorded place of the batch in a run, for the summary; undefined for a batch that is not recorded
 * @throws LossmeterError non_finite_loss, when the options reject it
 */
export function* report(batch: EvaluatedBatch, recorded?: RecordedAs): Steps<Evaluation> {
  const reduction = yield* reduceRows(batch.columns, batch.targets, batch.options, batch);
  return yield* reportReduction(batch, reduction, recorded);
}

/** Reports on a batch that was reduced already. @throws LossmeterError non_finite_loss */
export function* reportReduction(
  batch: EvaluatedBatch,
  reduction: Reduction,
  recorded?: RecordedAs,
): Steps<Evaluation> {
  const { options, targets, columns, findings, layout, nulls, kernel } = batch;
  const { loss, meanNll, perTokenLoss, metrics, sequences } = reduction;
  const { numerator, denominators, zLoss } = reduction.sums;
  const diagnostics = diagnose(findings, reduction, targets, { nulls, ...(recorded && { recorded }) });
  if (options.on_non_finite === 'reject' && diagnostics.verdict === 'non_finite') {
    const [name, value] = Object.entries({ loss: loss ?? 0, numerator, z_loss: zLoss }).find(
      ([, one]) => !Number.isFinite(one),
    )!;
    const detail = `the ${name} is ${value}: ${diagnostics.summary}`;
    throw new LossmeterError('non_finite_loss', detail, [], { extensions: { diagnostics } });
  }
  const gradient = batch.gradient && layout && (yield* restoreGradient(batch.gradient, layout));
  return {
    ...(loss === undefined ? {} : { loss }),
    numerator,
    denominator: denominators.loss,
    z_loss: zLoss,
    mean_nll: meanNll,
    rows: targets.rows,
    outputs: yield* makeOutputs(options, columns, { perTokenLoss, gradient }, targets),
    metrics,
    ...(sequences && { sequences: [...sequences] }),
    diagnostics,
    kernel,
  };
}

/** Logger of a request. */
interface Log {
  info: (fields: object, message: string) => void;
}

/** Logs the local losses and the gradient norm that `check_for_nan_in_loss_and_grad` requests, like the training graph. */
export function logGradientCheck({ diagnostics }: Pick<Evaluation, 'diagnostics'>, log: Log): void {
  const { gradient, local_losses: localLosses } = diagnostics;
  if (gradient !== undefined) log.info({ local_losses: localLosses, gradient }, 'local losses');
}
