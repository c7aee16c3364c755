import { LEFT_OUT, NO_TARGET } from '../../../kernels/abi.ts';
import { refuse } from '../../errors.ts';
import type { CauseReport } from '../../diagnostics/causes.ts';
import { causesOf, foundOf } from '../../batch/diagnostics.ts';
import { MOST_COLUMNS } from '../../contract/limits.ts';
import type { Diagnosis } from '../../contract/diagnosis.ts';
import { OPTION_NAMES, parseOptions } from '../../loss/options.ts';
import type { Options } from '../../loss/options.ts';
import { count, describeCauses } from '../../diagnostics/summary.ts';
import { findBadColumns, magnitudesOf, makeBadInColumn, subnormalsOf } from '../../diagnostics/survey.ts';
import type { BadColumns, BadInColumn, Survey } from '../../diagnostics/survey.ts';
import { selectTargets } from '../../loss/targets.ts';
import type { RowCounts } from '../../loss/targets.ts';
import { MAX_CLASSES } from '../../loss/vocabulary.ts';
import { plainPlan, wholeBlock } from '../../engine/block.ts';
import type { KernelPool } from '../../engine/pool.ts';
import { DTYPE_BYTES, ELEMENT_TYPES } from '../../tensor/dtype.ts';
import type { FloatDType } from '../../tensor/dtype.ts';
import { elementCount, formatShape } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Steps } from '../../steps.ts';
import type { HeldBytesAccount } from '../../wire/body/held-bytes.ts';
import type { ReadRequest } from '../../wire/request.ts';
import { BATCH_TENSORS, makeHeader } from '../../batch/header.ts';
import type { BatchHeader } from '../../batch/header.ts';
import { openIntake } from '../../batch/rows.ts';
import { BlockWriter } from '../../engine/block-writer.ts';
import { arrange } from '../../batch/layout.ts';
import type { RowResults } from '../../engine/block-writer.ts';
import type { Kind, Plan } from '../kind.ts';
import { takeClassWeights, takeRows } from '../../batch/row-memory.ts';

/** Bytes per row during the survey of its tensor. */
const BYTES_PER_ROW = 64;

/** Bytes per column, for its count. */
const BYTES_PER_COLUMN = 4;

/** Plan of a tensor whose values have not arrived yet. */
interface Diagnosed extends Plan {
  dtype: FloatDType;
  shape: Shape;
  rows: RowCounts;
  classes: number;
  badInColumn: BadInColumn;
  kernel: string;
  nulls: number;
}

/**
 * Plans the survey of a floating-point tensor of shape (C,), (N, C) or (…, C), row by row. Rows that the mask, or the
 * label by `ignore_index`, leaves out are reported separately.
 * @throws LossmeterError
 */
function* plan(pool: KernelPool, request: ReadRequest, held: HeldBytesAccount): Steps<Diagnosed> {
  const received = makeHeader(request);
  const options = parseOptions(received.options);
  const { header, layout } = yield* arrange(received, options.class_axis, held);
  const { given } = layout;
  const { dtype, shape } = header.logits;
  const classes = shape.at(-1) ?? 0;
  if (classes < 1 || classes > MAX_CLASSES) {
    const detail = `the tensor has shape ${formatShape(given)}, expected (C,), (N, C) or (…, C) with 1 ≤ C ≤ ${MAX_CLASSES}`;
    throw refuse('shape_mismatch', '/logits/shape', detail);
  }
  // Without labels, only the stated shape gives the number of rows, so it is checked before anything is allocated.
  const count = elementCount(shape.slice(0, -1));
  if (count === undefined) throw refuse('shape_mismatch', '/logits/shape', `${formatShape(shape)} is too large`);
  takeRows(held, count, BYTES_PER_ROW);
  const columns = `the counts of ${classes} columns, ${BYTES_PER_COLUMN} bytes each,`;
  held.take(classes * BYTES_PER_COLUMN, columns, 'split the tensor by columns');
  const { targets, rows } = yield* selectRows(header, options, (count) => takeClassWeights(held, count));
  const badInColumn = makeBadInColumn(classes);
  const block = {
    ...wholeBlock({ ...plainPlan(dtype, classes), badInColumn }, targets),
    mostPlaces: options.max_locations,
  };
  const writer = new BlockWriter(pool, block, 0);
  const intake = openIntake(writer, layout, { width: DTYPE_BYTES[dtype], held });
  return {
    dtype,
    shape: given,
    rows,
    classes,
    badInColumn,
    writer,
    intake,
    kernel: pool.kernelName(dtype),
    nulls: header.nulls,
    numpyArrays: false,
  };
}

/**
 * Selects the rows that count, and the label of each row where it is known.
 * @param takeClasses accounts for the memory of a number of class weights
 */
function* selectRows(
  header: BatchHeader,
  given: Options,
  takeClasses: (classes: number) => void,
): Steps<{ targets: Int32Array<ArrayBuffer>; rows: RowCounts }> {
  const { shape: rowsShape } = header.logits;
  const { label, inputMask, weight } = header;
  // A survey accepts invalid labels, and a shift applies to labels only.
  const options = { ...given, invalid_label: 'zero_loss' as const, ...(label === undefined && { shift: 0 }) };
  const fields = { label, inputMask, weight: label && weight };
  const { classes, probabilities, rows } = yield* selectTargets(rowsShape, fields, options, { takeClasses });
  if (probabilities === undefined) return { targets: classes, rows };
  return { targets: classes.map((fate) => (fate === LEFT_OUT ? LEFT_OUT : NO_TARGET)), rows };
}

/** Makes the report of a tensor from its survey. */
function* answer(diagnosed: Diagnosed, { findings, survey }: RowResults): Steps<Diagnosis> {
  const { dtype, shape, rows, classes, badInColumn, nulls, kernel } = diagnosed;
  const { logits, ...found } = foundOf(findings, findings.posInf + findings.negInf);
  const { max, ...counts } = logits;
  const isFinite = logits.nan + logits.pos_inf + logits.neg_inf === 0;
  const causes = causesOf(findings);
  const { minimum, smallest, largest, zeros } = survey!;
  const columns = yield* findBadColumns(isFinite ? undefined : badInColumn, rows.counted, MOST_COLUMNS);
  return {
    verdict: isFinite ? 'finite' : 'non_finite',
    summary: [
      summarizeSurvey(causes, counts, rows.counted, {
        survey: survey!,
        columns,
      }),
      found.float16?.hint,
      found.float8?.hint,
    ]
      .filter(Boolean)
      .join('; '),
    dtype,
    shape: [...shape],
    rows,
    values: {
      total: rows.counted * classes,
      ...counts,
      zero: zeros,
      subnormal: subnormalsOf(survey!, ELEMENT_TYPES[dtype].float.leastNormalExponent),
      ...(minimum !== Infinity && {
        min: minimum + 0,
        max: max!,
      }),
    },
    causes,
    ...found,
    ...(nulls > 0 && { nulls }),
    magnitudes: magnitudesOf(survey!),
    ...(smallest &&
      largest && {
        row_norms: {
          smallest,
          largest,
        },
      }),
    columns: {
      bad: columns.bad,
      bad_in_most_rows: columns.inMostRows,
      worst: columns.worst,
    },
    kernel,
  };
}

function summarizeSurvey(
  causes: readonly CauseReport[],
  { nan, pos_inf: posInf, neg_inf: negInf }: { nan: number; pos_inf: number; neg_inf: number },
  rows: number,
  { survey, columns }: { survey: Survey; columns: BadColumns },
): string {
  const clauses = causes.length > 0 ? [describeCauses(causes, rows)] : [];
  const [hottest] = columns.worst;
  if (hottest !== undefined && rows > 1 && hottest.rows > rows / 2) {
    clauses.push(`class ${hottest.column} is not finite in ${hottest.rows} of ${rows} rows`);
  }
  if (negInf > 0) clauses.push(`${count(negInf, 'value')} at -Infinity`);
  const { minimum, maximum } = survey;
  if (minimum === Infinity) return [...clauses, rows === 0 ? 'no row is counted' : 'no value is finite'].join('; ');
  const range = `within [${showNumber(minimum)}, ${showNumber(maximum)}]`;
  const isFinite = nan + posInf + negInf === 0;
  clauses.push(isFinite ? `every value is finite, ${range}` : `finite values are ${range}`);
  return clauses.join('; ');
}

/** Rounds to the digits of float32; `values` has all digits. */
function showNumber(value: number): string {
  return String(Number(value.toPrecision(7)) + 0);
}

/** Counts, places, magnitudes, norms and hot spots of a tensor. */
export const DIAGNOSIS: Kind<Diagnosed, Diagnosis> = {
  fields: { tensors: BATCH_TENSORS, required: ['logits'], values: [], options: OPTION_NAMES },
  plan,
  answer,
};
