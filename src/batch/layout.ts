/** Arranges the tensors of a request for the evaluation: logits as rows of classes, and a label per row. */
import { refuse } from '../errors.ts';
import { DTYPE_BYTES, isFloatDType } from '../tensor/dtype.ts';
import { elementCount, formatShape, sameShape } from '../tensor/shape.ts';
import type { Shape } from '../tensor/shape.ts';
import { transposed } from '../tensor/transpose.ts';
import type { Transposition } from '../tensor/transpose.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Steps } from '../steps.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';
import type { BatchHeader } from './header.ts';

/** Layout of the logits of a request. */
export interface Layout {
  /** Shape of the logits as received. */
  readonly given: Shape;
  /** Class axis of the received logits, counted from 0. */
  readonly classAxis: number;
  /** Items of (classes, positions) to transpose; undefined if the classes of a row are contiguous. */
  readonly moved: Transposition | undefined;
}

/** Arranged request: its logits have at least two axes, and the class axis is the last. */
export interface Arranged {
  readonly header: BatchHeader;
  readonly layout: Layout;
  /** Shape of outputs per row if it differs from the label's: () for a single row. */
  readonly outputShape: Shape | undefined;
}

/**
 * Moves the class axis to the end, makes a batch of a single row, and squeezes a superfluous axis of one entry in the label and
 * the mask. The bytes of the logits are rearranged when they arrive: see MovedLogits.
 * @param classAxis counted from the end if negative
 * @throws LossmeterError invalid_option, invalid_label, shape_mismatch
 */
export function* arrange(header: BatchHeader, classAxis: number, held: HeldBytesAccount): Steps<Arranged> {
  const given = header.logits.shape;
  const layout = layoutOf(given, classAxis);
  // Logits without an axis are refused later, with an error that names the expected shape.
  if (given.length === 0) return { header, layout, outputShape: undefined };
  const leading = given.toSpliced(layout.classAxis, 1);
  const isRow = given.length === 1;
  const rowsShape = isRow ? [1] : leading;
  const shape = [...rowsShape, given[layout.classAxis]!];
  const { label, inputMask } = header;
  const arranged = label && (yield* arrangeLabel(label, layout, { shape, held }));
  return {
    header: {
      ...header,
      logits: { ...header.logits, shape },
      label: arranged,
      // Other shapes are refused when the mask is read.
      inputMask: inputMask && { ...inputMask, shape: squeezed(inputMask.shape, layout, rowsShape) ?? inputMask.shape },
    },
    layout,
    outputShape: isRow && (label?.shape.length === 0 || arranged?.shape.length === 2) ? [] : undefined,
  };
}

/** @throws LossmeterError invalid_option */
function layoutOf(given: Shape, classAxis: number): Layout {
  const rank = given.length;
  const axis = classAxis < 0 ? classAxis + rank : classAxis;
  if (rank > 0 && (axis < 0 || axis >= rank)) {
    const detail = `options.class_axis is ${classAxis}, but logits have shape ${formatShape(given)}: expected an axis in [${-rank}, ${rank - 1}]`;
    throw refuse('invalid_option', '/options/class_axis', detail);
  }
  const moved = {
    items: elementCount(given.slice(0, axis)) ?? Number.NaN,
    rows: given[axis] ?? 1,
    columns: elementCount(given.slice(axis + 1)) ?? Number.NaN,
  };
  return { given, classAxis: axis, moved: moved.rows === 1 || moved.columns === 1 ? undefined : moved };
}

/** @param shape shape of the arranged logits */
function* arrangeLabel(
  label: Tensor,
  layout: Layout,
  { shape, held }: { shape: Shape; held: HeldBytesAccount },
): Steps<Tensor> {
  const { given, classAxis } = layout;
  const leading = shape.slice(0, -1);
  const flat = [elementCount(leading) ?? Number.NaN];
  const { dtype, isDTypeAssumed = false } = label;
  const isFloat = isFloatDType(dtype);
  const mayBeProbabilities = isFloat || isDTypeAssumed;
  const isShapedLikeLogits = sameShape(label.shape, given);
  // If axes have one entry, the shape (B, 1) fits both class indices and class probabilities.
  if (!isFloat && sameShape(label.shape, leading) && !(isShapedLikeLogits && mayBeProbabilities)) return label;
  if (isShapedLikeLogits && mayBeProbabilities) return yield* moveProbabilities(label, layout, { shape, held });
  if (mayBeProbabilities && classAxis === given.length - 1 && sameShape(label.shape, [...flat, shape.at(-1)!]))
    return label;
  const ofRows = isFloat ? undefined : squeezed(label.shape, layout, leading);
  if (ofRows !== undefined) return { ...label, shape: ofRows };
  throw isFloat || isShapedLikeLogits ? wrongKind(label, layout) : wrongShape(label, layout, { leading, flat });
}

/**
 * Removes an axis of one entry from the shape of a tensor with an entry per row. The axis is at the place of the class axis, or
 * the last. The order of the entries is unchanged.
 * @returns one of the two shapes of rows; undefined for other tensors
 */
function squeezed(shape: Shape, { given, classAxis }: Layout, leading: Shape): Shape | undefined {
  const flat = [elementCount(leading) ?? Number.NaN];
  if (sameShape(shape, leading) || sameShape(shape, flat)) return shape;
  if (sameShape(shape, [...flat, 1])) return flat;
  const ofOneEntry = [[...leading, 1], given.with(classAxis, 1), ...(given.length === 1 ? [[]] : [])];
  return ofOneEntry.some((one) => sameShape(shape, one)) ? leading : undefined;
}

/** Moves the class axis of class probabilities to the end. */
function* moveProbabilities(
  label: Tensor,
  { moved }: Layout,
  { shape, held }: { shape: Shape; held: HeldBytesAccount },
): Steps<Tensor> {
  if (moved === undefined) return { ...label, shape };
  held.take(
    label.data.byteLength,
    'label, with its class axis moved,',
    'send it, and logits, with the class axis last',
  );
  return { ...label, shape, data: yield* transposed(label.data, DTYPE_BYTES[label.dtype], moved) };
}

/** Makes the error for a label whose dtype and shape fit neither class indices nor class probabilities. */
function wrongKind({ dtype, shape, nulls }: Tensor, { given, classAxis }: Layout): Error {
  const axis = classAxis === given.length - 1 ? 'the last axis' : `axis ${classAxis}, that of the classes,`;
  const hints = [
    ...(isFloatDType(dtype)
      ? []
      : ['one-hot labels are class probabilities: send them as floating point, as float32 for example']),
    ...(nulls === undefined ? [] : ['it holds null, which is NaN']),
  ];
  const detail =
    `label is ${dtype} of shape ${formatShape(shape)}, and logits have shape ${formatShape(given)}: ` +
    `class indices are integers (int8 … uint64) without ${axis} of the logits, class probabilities are floating point and shaped like the logits`;
  return refuse('invalid_label', '/label', [detail, ...hints].join('; '));
}

function wrongShape(
  { shape }: Tensor,
  { given, classAxis }: Layout,
  { leading, flat }: { leading: Shape; flat: Shape },
): Error {
  const ofIndices = given.length === 1 ? [[], leading] : [leading, flat];
  const expected = [...new Set(ofIndices.map(formatShape))].join(' or ');
  const others = given.flatMap((_, axis) =>
    axis !== classAxis && sameShape(shape, given.toSpliced(axis, 1)) ? [`options.class_axis ${axis}`] : [],
  );
  const hint = others.length === 0 ? '' : `; with ${others.join(' or ')} it would fit`;
  const detail = `label has shape ${formatShape(shape)}, but logits of shape ${formatShape(given)} expect ${expected} for class indices, ${formatShape(given)} for class probabilities${hint}`;
  return refuse('shape_mismatch', '/label/shape', detail);
}

/** Restores the layout of the received logits in a gradient. */
export function* restoreGradient(gradient: Tensor, { given, moved }: Layout): Steps<Tensor> {
  if (moved === undefined) return { ...gradient, shape: given };
  const { items, rows, columns } = moved;
  const back = { items, rows: columns, columns: rows };
  return { ...gradient, shape: given, data: yield* transposed(gradient.data, DTYPE_BYTES[gradient.dtype], back) };
}
