import { arrange } from '../../batch/layout.ts';
import type { Layout } from '../../batch/layout.ts';
import { takeRows } from '../../batch/row-memory.ts';
import { withOutputShape } from '../../batch/rows.ts';
import { takeSegments, takeSequences } from '../../batch/sequences.ts';
import type { CountedRows } from '../../comparison/moments.ts';
import { countedRows } from '../../comparison/summary.ts';
import { parseComparisonOptions } from '../../comparison/options.ts';
import type { ComparisonOptions } from '../../comparison/options.ts';
import { plainPlan, wholeBlock } from '../../engine/block.ts';
import type { Block, BlockPlan } from '../../engine/block.ts';
import { BlockWriter } from '../../engine/block-writer.ts';
import type { RowResults } from '../../engine/block-writer.ts';
import { pairDType } from '../../../kernels/pair.ts';
import { rowBytesOf } from '../../../kernels/quantised.ts';
import type { ComparedRows } from '../../engine/compared-rows.ts';
import type { KernelPool } from '../../engine/pool.ts';
import { LossmeterError, refuse } from '../../errors.ts';
import { divide } from '../../loss/denominators.ts';
import { selectTargets, sequenceFactsOf } from '../../loss/targets.ts';
import type { Targets } from '../../loss/targets.ts';
import { isGiven } from '../../option-reader.ts';
import { inSteps } from '../../steps.ts';
import type { Steps } from '../../steps.ts';
import { DTYPE_BYTES, isFloat8 } from '../../tensor/dtype.ts';
import type { FloatDType } from '../../tensor/dtype.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { HeldBytesAccount } from '../../wire/body/held-bytes.ts';
import type { ReadRequest } from '../../wire/request.ts';
import type { Plan } from '../kind.ts';
import { readSides } from './sides.ts';
import { readTopReference } from './top-reference.ts';
import type { Sides } from './sides.ts';

/** Bytes per row: target, mask, results, and the sorted values from which percentiles are found. */
const BYTES_PER_ROW = 192;

/** Floor of a llama.cpp logit file, in nats. It stores less probable classes with its lowest value. */
const LOGIT_FILE_FLOOR = 16;

/** Outputs that need labels. */
const LABEL_OUTPUTS: ReadonlySet<string> = new Set(['probability_difference', 'nll', 'reference_nll']);

const GRADIENT_ADVICE = 'split the batch by rows, or ask for the gradient of narrower logits';

/** Plan of a comparison whose rows have not arrived yet. */
export interface ComparisonPlan extends Plan {
  readonly options: ComparisonOptions;
  readonly layout: Layout;
  /** Shape of the logits, the class axis last. */
  readonly shape: Shape;
  readonly targets: Targets;
  readonly hasLabel: boolean;
  /** True when the reference is the top K of each row: it has no rows of logits to diagnose. */
  readonly isTop: boolean;
  readonly counted: CountedRows;
  readonly gradientDType: FloatDType;
  /** True when terms of the reference are left out. */
  readonly truncated: boolean;
  /** Number of entries received as null. */
  readonly nulls: number;
  /** Names of the kernels of the two sides. */
  readonly kernel: string;
}

/** Parts of the plan that the answer needs, apart from its tensors. */
export type ComparedPlan = Pick<
  ComparisonPlan,
  'options' | 'targets' | 'hasLabel' | 'isTop' | 'counted' | 'truncated' | 'nulls' | 'kernel'
>;

/** Results of compared rows, apart from their gradient. */
export type PlainResults = Pick<RowResults, 'columns' | 'findings' | 'referenceFindings'>;

/** Checks everything that can be checked before the rows arrive. @throws LossmeterError */
export function* planComparison(pool: KernelPool, request: ReadRequest, held: HeldBytesAccount): Steps<ComparisonPlan> {
  const sides = readSides(request);
  const options = parseComparisonOptions(sides.header.options);
  requireConsistent(sides.header.options, options);
  if (sides.header.label === undefined) requireNoLabel(options);
  const floor = options.reference_floor ?? (sides.reference?.format === 'quantised' ? LOGIT_FILE_FLOOR : undefined);
  const { header, layout, outputShape } = yield* arrange(sides.header, -1, held);
  const { dtype, shape } = header.logits;
  const classes = shape.at(-1) ?? 0;
  const targets = yield* selectCounted(header, options, held);
  const rows = targets.classes.length;
  const returnsGradient = options.outputs.includes('gradient');
  const gradientDType = options.gradient_dtype ?? (isFloat8(dtype) ? 'float32' : dtype);
  const takeGradient = (bytes: number): void => held.take(bytes, 'outputs.gradient', GRADIENT_ADVICE);
  if (returnsGradient) {
    held.requireRoom(rows * classes * DTYPE_BYTES[gradientDType], 'outputs.gradient', GRADIENT_ADVICE);
  }
  const counted = yield* countedRows(targets.classes, targets.weights);
  const plan: BlockPlan = {
    ...plainPlan(streamedDType(sides), classes),
    gradientDType: returnsGradient ? gradientDType : undefined,
    comparison: {
      direction: options.direction,
      beta: options.beta,
      scale: options.logit_scale,
      floor,
      tail: options.tail,
      streamed: sides.streamed,
    },
  };
  const top = sides.reference === undefined ? yield* readTopReference(request.fields, shape, held) : undefined;
  requireFitting(sides.header.options, options, sides);
  const factors = returnsGradient ? yield* factorsOf(counted, rows, options) : undefined;
  const compared: ComparedRows = {
    ...besideOf(sides, classes),
    ...(top && { top }),
    ...(factors && { factors }),
  };
  const block: Block = { ...wholeBlock(plan, targets.classes), mostPlaces: options.max_locations, compared };
  const writer = new BlockWriter(pool, block, options.shift, takeGradient);
  return {
    options,
    layout,
    shape,
    counted,
    gradientDType,
    writer,
    intake: writer,
    targets: withOutputShape(targets, outputShape),
    hasLabel: header.label !== undefined,
    isTop: top !== undefined,
    truncated: floor !== undefined || (top !== undefined && options.tail === 'drop'),
    nulls: header.nulls,
    numpyArrays: header.numpyArrays,
    kernel: pool.kernelName(evaluatedDType(sides, options)),
  };
}

/** Refuses options that have no effect with the other options. @throws LossmeterError invalid_option */
function requireConsistent(given: unknown, { direction, beta, reference_floor: floor }: ComparisonOptions): void {
  const refuseOption = (name: string, value: number, applies: string): LossmeterError => {
    const detail = `options.${name} is ${value}, expected none with direction ${direction}: it applies to ${applies}`;
    return refuse('invalid_option', `/options/${name}`, detail);
  };
  if (isGiven(given, 'beta') && direction !== 'jensen_shannon') throw refuseOption('beta', beta, 'jensen_shannon');
  if (floor !== undefined && direction !== 'forward') throw refuseOption('reference_floor', floor, 'forward');
}

/** Refuses outputs that need labels. @throws LossmeterError missing_field */
function requireNoLabel({ outputs }: ComparisonOptions): void {
  const name = outputs.find((output) => LABEL_OUTPUTS.has(output));
  if (name === undefined) return;
  throw refuse('missing_field', '/label', `label is missing: options.outputs has ${name}, which needs labels`);
}

/** Refuses options that do not apply to the reference. @throws LossmeterError invalid_option */
function requireFitting(given: unknown, options: ComparisonOptions, { reference, hasLabelsOfFile }: Sides): void {
  const isTop = reference === undefined;
  if (isGiven(given, 'tail') && !isTop) {
    const detail = `options.tail is ${options.tail}, expected none with this reference: it applies to the top K of a reference`;
    throw refuse('invalid_option', '/options/tail', detail);
  }
  if (hasLabelsOfFile && options.shift !== 0) {
    const detail = `options.shift is ${options.shift}, expected 0 with the labels of a llama.cpp logit file, which are those of its rows`;
    throw refuse('invalid_option', '/options/shift', detail);
  }
  if (!isTop && reference.format !== 'quantised') return;
  const what = isTop ? 'the top K of a reference' : 'a llama.cpp logit file';
  const { direction, logit_scale: scale, reference_floor: floor } = options;
  const requireAs = (name: string, value: string | number, expected: string, isFitting: boolean): void => {
    if (isFitting) return;
    const detail = `options.${name} is ${value}, expected ${expected} with ${what}`;
    throw refuse('invalid_option', `/options/${name}`, detail);
  };
  requireAs('direction', direction, 'forward', direction === 'forward');
  requireAs('logit_scale', scale, '1', scale === 1);
  if (isTop && floor !== undefined) requireAs('reference_floor', floor, 'none', false);
}

/** Selects the counted rows, and the label of each row when there are labels. */
function* selectCounted(
  { logits, label, inputMask, weight, segments }: Sides['header'],
  { ignore_index, shift, semantics, outputs }: ComparisonOptions,
  held: HeldBytesAccount,
): Steps<Targets> {
  if (weight !== undefined) throw refuse('unknown_field', '/weight', 'weight does not apply to a comparison');
  takeSegments(segments, held);
  const options = { ignore_index, shift, semantics, invalid_label: 'error' as const };
  const targets = yield* selectTargets(logits.shape, { label, inputMask, weight, segments }, options, {
    takeRows: (count) => takeRows(held, count, BYTES_PER_ROW),
  });
  if (outputs.includes('sequences')) takeSequences(sequenceFactsOf(targets).count, held);
  if (targets.probabilities === undefined) return targets;
  const detail = 'label has class probabilities, expected the class of each row: a distribution is the `reference`';
  throw refuse('invalid_label', '/label', detail);
}

/** Factor of the gradient of each row: m / D when the loss is a mean, else m. */
function* factorsOf(
  { rows: counted, masks, weight }: CountedRows,
  rows: number,
  { semantics, reduction }: ComparisonOptions,
): Steps<Float64Array<ArrayBuffer>> {
  const factors = new Float64Array(rows);
  yield* inSteps(counted.length, (from, to) => {
    for (let k = from; k < to; k++) {
      const row = counted[k]!;
      const m = masks?.[row] ?? 1;
      factors[row] = reduction === 'mean' ? divide(m, weight, { semantics }) : m;
    }
  });
  return factors;
}

/** The side that is not streamed. */
function besideOf({ logits, reference, streamed }: Sides, classes: number): ComparedRows {
  const side = streamed === 'logits' ? reference : logits;
  return side === undefined ? {} : { beside: { ...side, rowBytes: rowBytesOf(side.format, classes) } };
}

/** Dtype of the kernel that evaluates the rows. */
function evaluatedDType({ logits, reference }: Sides, { logit_scale: scale }: ComparisonOptions): FloatDType {
  const dtype = logits.format as FloatDType;
  return reference === undefined ? dtype : pairDType({ logits: dtype, reference: reference.format, scale });
}

function streamedDType({ logits, reference, streamed }: Sides): FloatDType {
  return (streamed === 'logits' ? logits : reference!).format as FloatDType;
}
