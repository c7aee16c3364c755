/** Brings the tensors of a request into the one arrangement that is evaluated: rows of classes, a label per row. */
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
  /** Shape of the logits as they came. */
  readonly given: Shape;
  /** Their class axis, from 0. */
  readonly classAxis: number;
  /** Items of classes by positions, where the classes of a row do not lie together; undefined where they do. */
  readonly moved: Transposition | undefined;
}

/** A request whose logits have at least two axes, the last of which is that of the classes. */
export interface Arranged {
  readonly header: BatchHeader;
  readonly layout: Layout;
  /** Shape of outputs that have an entry per row, where it is not that of the label: () of a row alone. */
  readonly outputShape: Shape | undefined;
}

/**
 * Moves the class axis last, makes a batch of a row alone, and squeezes a label and a mask that have an axis of one entry
 * too many.
 * The bytes of the logits are still to come: see MovedLogits.
 * @param classAxis counted from the end where it is negative
 * @throws LossmeterError invalid_option, invalid_label, shape_mismatch
 */
export function* arrange(header: BatchHeader, classAxis: number, held: HeldBytesAccount): Steps<Arranged> {
  const given = header.logits.shape;
  const layout = layoutOf(given, classAxis);
  // Logits without an axis are refused with what is expected of them.
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
      // Other shapes are refused when it is read.
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

/** @param shape of the logits as they are arranged */
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
  // Where axes have one entry, (B, 1) may be both.
  if (!isFloat && sameShape(label.shape, leading) && !(isShapedLikeLogits && mayBeProbabilities)) return label;
  if (isShapedLikeLogits && mayBeProbabilities) return yield* moveProbabilities(label, layout, { shape, held });
  if (mayBeProbabilities && classAxis === given.length - 1 && sameShape(label.shape, [...flat, shape.at(-1)!]))
    return label;
  const ofRows = isFloat ? undefined : squeezed(label.shape, layout, leading);
  if (ofRows !== undefined) return { ...label, shape: ofRows };
  throw isFloat || isShapedLikeLogits ? wrongKind(label, layout) : wrongShape(label, layout, { leading, flat });
}

/**
 * The shape of a tensor that has an entry per row, without an axis of one entry that stands for the classes, or is behind
 * all others. The order of the entries is the same.
 * @returns one of the two shapes that rows may have; undefined for other tensors
 */
function squeezed(shape: Shape, { given, classAxis }: Layout, leading: Shape): Shape | undefined {
  const flat = [elementCount(leading) ?? Number.NaN];
  if (sameShape(shape, leading) || sameShape(shape, flat)) return shape;
  if (sameShape(shape, [...flat, 1])) return flat;
  const ofOneEntry = [[...leading, 1], given.with(classAxis, 1), ...(given.length === 1 ? [[]] : [])];
  return ofOneEntry.some((one) => sameShape(shape, one)) ? leading : undefined;
}

/** Class probabilities, with the class axis last. */
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

/** Dtype and shape tell class indices from class probabilities; those of this label fit neither. */
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

/** A gradient in the order in which the logits came. */
export function* restoreGradient(gradient: Tensor, { given, moved }: Layout): Steps<Tensor> {
  if (moved === undefined) return { ...gradient, shape: given };
  const { items, rows, columns } = moved;
  const back = { items, rows: columns, columns: rows };
  return { ...gradient, shape: given, data: yield* transposed(gradient.data, DTYPE_BYTES[gradient.dtype], back) };
}
