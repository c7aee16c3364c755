import type { BatchHeader } from '../../batch/header.ts';
import { kernelOf, openIntake, openRows, weightsForKernels } from '../../batch/rows.ts';
import type { Batch } from '../../batch/rows.ts';
import type { Layout } from '../../batch/layout.ts';
import type { EvaluatedBatch } from '../../batch/report.ts';
import { plainPlan, wholeBlock } from '../../engine/block.ts';
import type { Block, BlockPlan } from '../../engine/block.ts';
import { BlockWriter } from '../../engine/block-writer.ts';
import type { RowResults } from '../../engine/block-writer.ts';
import type { KernelPool } from '../../engine/pool.ts';
import { denominatorsOf } from '../../loss/denominators.ts';
import { gradientCoefficients } from '../../loss/gradient.ts';
import { parseOptions, smoothingOf, transformOf } from '../../loss/options.ts';
import { requireDivisible } from '../../loss/parallel.ts';
import type { Options } from '../../loss/options.ts';
import type { ReductionFacts } from '../../loss/reduction.ts';
import { needsEveryRow, statisticsOf } from '../../loss/requested.ts';
import { selectTargets, sequenceFactsOf } from '../../loss/targets.ts';
import type { Targets } from '../../loss/targets.ts';
import { readTextSizes } from '../../loss/text-size.ts';
import type { Steps } from '../../steps.ts';
import { DTYPE_BYTES, isFloat8 } from '../../tensor/dtype.ts';
import type { FloatDType } from '../../tensor/dtype.ts';
import type { HeldBytesAccount } from '../../wire/body/held-bytes.ts';

/** Additional bytes per row, for the coefficients of its gradient. */
const BYTES_PER_ROW_OF_GRADIENT = 32;

/** Additional bytes per row for evaluation under other options: two other targets, their masks, and four columns. */
const BYTES_PER_ROW_OF_ALTERNATIVES = 64;

const GRADIENT_ADVICE = 'split the batch by rows, or ask for the gradient of narrower logits';

/** A batch over all classes. */
export interface BatchPlan extends Batch, ReductionFacts {
  layout: Layout;
  gradientDType: FloatDType;
  /** Targets of other shifts; undefined when rows are evaluated only under the given options. */
  others: OtherShifts | undefined;
}

/** Targets of the shift decreased by one position, if it is not 0, and increased by one position. */
interface OtherShifts {
  earlier: Targets | undefined;
  later: Targets;
}

/**
 * Checks everything that can be checked before the logits arrive.
 * @param alternatives true to evaluate rows under other options too: see engine/alternatives.ts
 * @throws LossmeterError
 */
export function* planBatch(
  pool: KernelPool,
  given: BatchHeader,
  held: HeldBytesAccount,
  { alternatives = false }: { alternatives?: boolean } = {},
): Steps<BatchPlan> {
  const options = parseOptions(given.options);
  const returnsGradient = options.outputs.includes('gradient');
  const differentiates = returnsGradient || options.check_for_nan_in_loss_and_grad;
  const moreBytesPerRow =
    (differentiates ? BYTES_PER_ROW_OF_GRADIENT : 0) + (alternatives ? BYTES_PER_ROW_OF_ALTERNATIVES : 0);
  const { header, layout, targets } = yield* openRows(given, options, held, { moreBytesPerRow });
  const { dtype, shape } = header.logits;
  const rows = targets.classes.length;
  const classes = shape.at(-1)!;
  requireDivisible(options, rows, classes);
  const textSizes = yield* readTextSizes(header, options, sequenceFactsOf(targets).count);
  const smoothing = smoothingOf(options, classes);
  const denominators = yield* denominatorsOf(targets);
  // float8 is too narrow for a gradient.
  const gradientDType = options.gradient_dtype ?? (isFloat8(dtype) ? 'float32' : dtype);
  // A gradient whose class axis is moved back is copied.
  const copies = layout.moved === undefined ? 1 : 2;
  const takeGradient = (bytes: number): void => held.take(copies * bytes, 'outputs.gradient', GRADIENT_ADVICE);
  if (returnsGradient) {
    held.requireRoom(copies * rows * classes * DTYPE_BYTES[gradientDType], 'outputs.gradient', GRADIENT_ADVICE);
  }
  const statistics = statisticsOf(options, targets);
  const plan: BlockPlan = {
    ...plainPlan(dtype, classes),
    statistics,
    everyRow: needsEveryRow(options),
    transform: transformOf(options),
    classWeights: yield* weightsForKernels(targets, options, held),
    shards: options.parallel_config.model_parallel,
    gradientDType: returnsGradient ? gradientDType : undefined,
  };
  const others = alternatives ? yield* otherShifts(header, options, targets) : undefined;
  const block: Block = {
    ...wholeBlock(plan, targets.classes),
    others: others && { earlier: others.earlier?.classes, later: others.later.classes },
    mostPlaces: options.max_locations,
    probabilities: targets.probabilities,
    coefficients: differentiates
      ? yield* gradientCoefficients(targets, options, { classes, smoothing, denominators })
      : undefined,
  };
  const writer = new BlockWriter(pool, block, options.shift, takeGradient);
  const kernel = kernelOf(pool, plan);
  const intake = openIntake(writer, layout, { width: DTYPE_BYTES[dtype], held });
  const { numpyArrays, nulls } = header;
  return {
    options,
    layout,
    shape,
    targets,
    others,
    writer,
    intake,
    kernel,
    nulls,
    numpyArrays,
    classes,
    smoothing,
    denominators,
    statistics,
    textSizes,
    gradientDType,
  };
}

function* otherShifts(
  { logits, label, inputMask, segments }: BatchHeader,
  options: Options,
  { probabilities, classWeights }: Targets,
): Steps<OtherShifts> {
  const fields = { label: probabilities === undefined ? label : undefined, inputMask, weight: undefined, segments };
  const { shift } = options;
  const select = function* (other: number): Steps<Targets> {
    const selected = yield* selectTargets(logits.shape, fields, {
      ...options,
      shift: other,
      invalid_label: 'zero_loss',
    });
    return { ...selected, classWeights };
  };
  return { earlier: shift === 0 ? undefined : yield* select(shift - 1), later: yield* select(shift + 1) };
}

/** A batch over all classes with the results of its rows. */
export function evaluated(batch: BatchPlan, { columns, findings, gradient }: RowResults): EvaluatedBatch {
  const { gradientDType: dtype, shape } = batch;
  return { ...batch, columns, findings, gradient: gradient && { dtype, shape, data: gradient } };
}
