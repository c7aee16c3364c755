import { PARTIAL_VERSION } from '../../contract/limits.ts';
import { Type, Value } from '#typebox';
import type { Static, TSchema } from '#typebox';
import { KERNEL_PATTERN } from '../../../kernels/name.ts';
import { LEFT_OUT, NO_TARGET } from '../../../kernels/abi.ts';
import { refuse } from '../../errors.ts';
import { ROW_CAUSES } from '../../diagnostics/causes.ts';
import type { Findings, RangeSigns } from '../../diagnostics/findings.ts';
import { MOST_LOCATIONS, parseOptions } from '../../loss/options.ts';
import type { Options } from '../../loss/options.ts';
import { isClassWeight, isMask } from '../../loss/operands.ts';
import type { VocabularyPartial } from '../../loss/partials.ts';
import { statisticsOf } from '../../loss/requested.ts';
import type { Targets } from '../../loss/targets.ts';
import { MAX_CLASSES } from '../../loss/vocabulary.ts';
import { STATISTICS, statisticsOfShard } from '../../statistics/list.ts';
import type { RowColumns } from '../../statistics/list.ts';
import { showValue } from '../../suggestion.ts';
import { FLOAT8_DTYPES, isFloat8 } from '../../tensor/dtype.ts';
import { MAX_RANK, elementCount, formatShape, sameShape } from '../../tensor/shape.ts';
import { elementsOf } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { tensorFromValue } from '../../wire/tensors/tensor-value.ts';
import type { ShardPlan } from './plan.ts';
import type { RowResults } from '../../engine/block-writer.ts';

const size = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Shape = Type.Array(size, { maxItems: MAX_RANK });

const Place = Type.Object(
  {
    row: size,
    column: size,
    value: Type.Enum(['NaN', 'Infinity', '-Infinity']),
    is_label: Type.Boolean(),
    masked: Type.Boolean(),
  },
  { additionalProperties: false },
);

/** Counts of RangeSigns. */
const SIGNS = { largest: size, subnormal: size, sampled: size };

/** Fields of a partial on the wire, without its tensors. */
const PartialSchema = Type.Object(
  {
    lossmeter_partial: Type.Literal(PARTIAL_VERSION),
    vocab_start: Type.Integer({ minimum: 0, maximum: MAX_CLASSES }),
    vocab_size: Type.Integer({ minimum: 1, maximum: MAX_CLASSES }),
    classes: Type.Integer({ minimum: 1, maximum: MAX_CLASSES }),
    /** Shape of the logits, without the class axis. */
    shape: Shape,
    /** Shape of outputs with an entry per row. */
    output_shape: Shape,
    options: Type.Unknown(),
    kernel: Type.String({ pattern: `^${KERNEL_PATTERN}$` }),
    probabilities: Type.Boolean(),
    target: Type.Unknown(),
    input_mask: Type.Optional(Type.Unknown()),
    weight: Type.Optional(Type.Unknown()),
    columns: Type.Record(Type.String(), Type.Unknown()),
    causes: Type.Partial(Type.Record(Type.Enum([...ROW_CAUSES]), Place)),
    locations: Type.Array(Place, { maxItems: MOST_LOCATIONS }),
    nulls: Type.Optional(size),
    labels: Type.Optional(
      Type.Object(
        { min: Type.Optional(Type.Integer()), max: Type.Optional(Type.Integer()), out_of_range: size },
        { additionalProperties: false },
      ),
    ),
    float16: Type.Optional(Type.Object(SIGNS, { additionalProperties: false })),
    float8: Type.Optional(
      Type.Object({ ...SIGNS, dtype: Type.Enum([...FLOAT8_DTYPES]) }, { additionalProperties: false }),
    ),
  },
  { additionalProperties: false },
);

type Envelope = Static<typeof PartialSchema>;

/** Answer of `POST /v1/cross-entropy/partials`. */
export type PartialObject = Omit<Envelope, 'target' | 'input_mask' | 'weight' | 'columns' | 'options' | 'causes'> & {
  /** Options without `class_axis`: the rows of a partial do not depend on it. */
  options: Omit<Options, 'class_axis'>;
  target: Tensor;
  input_mask?: Tensor;
  weight?: Tensor;
  columns: Record<string, Tensor>;
  causes: Partial<Record<(typeof ROW_CAUSES)[number], Static<typeof Place>>>;
};

/** A partial that was read, with the options and the kernel of its evaluation. */
export interface ReadPartial extends VocabularyPartial {
  readonly options: Options;
  readonly shape: readonly number[];
  readonly kernel: string;
  readonly nulls: number;
}

type Column = Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

function toTensor(column: Column): Tensor {
  const dtype = column instanceof Float64Array ? 'float64' : 'int32';
  return { dtype, shape: [column.length], data: new Uint8Array(column.buffer) };
}

export function encodePartial(batch: ShardPlan, { columns, findings }: RowResults): PartialObject {
  const { targets, vocabulary, shape, nulls, kernel } = batch;
  const { class_axis: _, ...options } = batch.options;
  const causes = Object.entries(findings.causes).flatMap(([cause, { first }]) =>
    first === undefined ? [] : [[cause, first]],
  );
  return {
    lossmeter_partial: PARTIAL_VERSION,
    vocab_start: vocabulary.start,
    vocab_size: vocabulary.size,
    classes: shape.at(-1)!,
    shape: shape.slice(0, -1),
    output_shape: [...targets.outputShape],
    options,
    kernel,
    probabilities: targets.probabilities !== undefined,
    target: toTensor(targets.classes),
    ...(targets.weights && { input_mask: toTensor(targets.weights as Float64Array<ArrayBuffer>) }),
    ...(targets.classWeights && { weight: toTensor(targets.classWeights) }),
    columns: Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, toTensor(column)])),
    causes: Object.fromEntries(causes) as PartialObject['causes'],
    locations: findings.locations,
    ...(nulls > 0 && { nulls }),
    ...(targets.labels && { labels: targets.labels }),
    ...(findings.signs && encodeSigns(findings.signs)),
  };
}

/**
 * Reads a partial that a client sends back. It is opaque to clients, but is validated like any other input.
 * @param index of the partial in the request
 * @throws LossmeterError invalid_partial, invalid_tensor
 */
export function decodePartial(value: unknown, index: number): ReadPartial {
  const at = `partials/${index}`;
  const wrong = (what: string): Error => refuse('invalid_partial', `/${at}`, `partials[${index}] ${what}`);
  const { lossmeter_partial: version, kind } = (value ?? {}) as { lossmeter_partial?: unknown; kind?: unknown };
  if (version !== PARTIAL_VERSION) {
    const came =
      typeof kind === 'string'
        ? `of the kind ${showValue(kind)}, which the command lossmeter combine merges`
        : version === undefined
          ? showValue(value)
          : `of version ${showValue(version)}`;
    const expected = `version ${PARTIAL_VERSION} of the objects that POST /v1/cross-entropy/partials returns`;
    throw wrong(
      `is ${came}, expected ${expected}: use the same version of Lossmeter to make and to merge all partials`,
    );
  }
  if (!Value.Check(PartialSchema, value)) {
    const fault = Value.Errors(PartialSchema as TSchema, value)[0];
    throw wrong(
      `was changed: ${fault?.instancePath ?? ''} ${fault?.message ?? 'differs from what the service returned'}`,
    );
  }
  const { shape, output_shape: outputShape, classes, vocab_start: start, vocab_size: vocabSize } = value;
  const rows = elementCount(shape);
  const length = shape.at(-1);
  if (rows === undefined || length === undefined) throw wrong(`has the shape ${formatShape(shape)}`);
  if (start + classes > vocabSize) {
    throw wrong(`has the classes [${start}, ${start + classes}) of a vocabulary of ${vocabSize}`);
  }
  const options = parseOptions(value.options);
  const kept = Math.max(0, length - options.shift);
  const possible = options.shift > 0 ? [[...shape.slice(0, -1), kept]] : [shape, [rows], ...(rows === 1 ? [[]] : [])];
  if (!possible.some((one) => sameShape(one, outputShape))) {
    throw wrong(`has outputs of shape ${formatShape(outputShape)}`);
  }
  const column = <D extends 'float64' | 'int32'>(name: string, tensor: unknown, dtype: D, count: number) => {
    const read = tensorFromValue(`${at}/${name}`, tensor);
    if (read.dtype !== dtype || elementCount(read.shape) !== count) {
      throw wrong(`has ${name} of ${read.dtype} ${formatShape(read.shape)}, expected ${dtype} ${formatShape([count])}`);
    }
    return elementsOf(read as Tensor<D>).slice() as D extends 'float64'
      ? Float64Array<ArrayBuffer>
      : Int32Array<ArrayBuffer>;
  };
  const weightsOf = (name: 'input_mask' | 'weight', count: number): Float64Array<ArrayBuffer> | undefined => {
    if (value[name] === undefined) return undefined;
    const weights = column(name, value[name], 'float64', count);
    const isWeight = name === 'weight' ? isClassWeight(options.semantics) : isMask;
    const fault = weights.find((weight) => !isWeight(weight));
    if (fault !== undefined) throw wrong(`has ${fault} in ${name}`);
    return weights;
  };
  const target = column('target', value.target, 'int32', rows);
  const fault = target.find((y) => y < LEFT_OUT || y >= vocabSize);
  if (fault !== undefined) throw wrong(`has the target ${fault}`);
  const weights = weightsOf('input_mask', rows);
  const targets: Targets = {
    classes: target,
    // The probabilities are not needed here: their sums are in the columns.
    probabilities: value.probabilities ? { dtype: 'float64', data: new Uint8Array(0), shift: 0 } : undefined,
    weights,
    classWeights: weightsOf('weight', classes),
    labels: value.labels,
    rows: countRows(target, weights, { length, kept }),
    outputShape,
    sequence: { length, kept, count: elementCount(shape.slice(0, -1))! },
  };
  const statistics = statisticsOfShard(statisticsOf(options, targets), { probabilities: value.probabilities });
  const expected = statistics.flatMap((name) => Object.entries(STATISTICS[name].columns));
  const extra = Object.keys(value.columns).find((name) => !expected.some(([known]) => name === known));
  if (extra !== undefined) throw wrong(`has a column ${showValue(extra)}`);
  const columns = expected.map(([name, type]) => {
    const read = column(`columns/${name}`, value.columns[name], type.dtype, rows);
    if (type.dtype === 'int32') {
      const [least, greatest] = type.range(classes);
      const odd = (read as Int32Array).find((entry) => entry < least || entry > greatest);
      if (odd !== undefined) throw wrong(`has ${odd} in columns/${name}`);
    }
    return [name, read];
  });
  return {
    vocabulary: { start, size: vocabSize },
    classes,
    targets,
    columns: Object.fromEntries(columns) as RowColumns,
    findings: { causes: readCauses(value.causes), locations: value.locations, signs: decodeSigns(value) },
    options,
    shape,
    kernel: value.kernel,
    nulls: value.nulls ?? 0,
  };
}

function encodeSigns({ dtype, ...counts }: RangeSigns): Pick<Envelope, 'float16' | 'float8'> {
  return isFloat8(dtype) ? { float8: { ...counts, dtype } } : { float16: counts };
}

function decodeSigns({ float16, float8 }: Envelope): RangeSigns | undefined {
  return float16 === undefined ? float8 : { ...float16, dtype: 'float16' };
}

function readCauses(causes: Envelope['causes']): Findings['causes'] {
  return Object.fromEntries(Object.entries(causes).map(([cause, first]) => [cause, { rows: 1, first }]));
}

function countRows(
  target: Int32Array,
  weights: Float64Array | undefined,
  { length, kept }: Pick<Targets['sequence'], 'length' | 'kept'>,
): Targets['rows'] {
  const counts = { total: 0, counted: 0, ignored: 0, masked: 0 };
  target.forEach((y, row) => {
    if (row % length >= kept) return;
    counts.total++;
    if (y >= NO_TARGET) counts.counted++;
    else if (weights?.[row] === 0) counts.masked++;
    else counts.ignored++;
  });
  return counts;
}
