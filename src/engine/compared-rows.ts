/** Rows of the other side of a comparison: a block contains the rows of one side, the logits or the reference. */
import type { RowFormat } from '../../kernels/quantised.ts';
import { DTYPE_BYTES } from '../tensor/dtype.ts';
import { cutRange, isRemote } from '../tensor/file-range.ts';
import type { FileRange } from '../tensor/file-range.ts';
import { copyInSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';

/** Options of a comparison, which are the same for all blocks of a batch. */
export interface ComparisonPlan {
  readonly direction: 'forward' | 'reverse' | 'jensen_shannon';
  /** β of Jensen-Shannon. */
  readonly beta: number;
  /** Factor of the logits of both sides. */
  readonly scale: number;
  /** Excludes the classes with log p ≤ −floor in the reference, in nats; undefined for all classes. */
  readonly floor: number | undefined;
  /** Treatment of the classes that are not in the top K of a reference. */
  readonly tail: 'bucket' | 'drop';
  /** Side whose rows are the bytes of a block. Rows of the other side are in ComparedRows. */
  readonly streamed: 'logits' | 'reference';
}

/** Rows of the other side: their bytes, or their range in a file. */
export interface RowsBeside {
  readonly format: RowFormat;
  readonly rowBytes: number;
  readonly data?: Uint8Array;
  readonly range?: FileRange;
}

/** The K most probable classes of each row of a reference, in the order of the reference. */
export interface TopRows {
  readonly K: number;
  readonly indices: Int32Array;
  readonly logprobs: Float64Array;
  /** Probability of the other classes that counts as rounding of the log-probabilities where the logits exclude them. */
  readonly rounding: number;
}

/** Rows with which the rows of a block are compared: either `beside` or `top`. */
export interface ComparedRows {
  readonly beside?: RowsBeside;
  readonly top?: TopRows;
  /** Factor m / D of the gradient of each row; undefined without a gradient. */
  readonly factors?: Float64Array;
}

/** Selects rows, counted from the first. The bytes of rows, which may be long, remain a view: see ownComparedRows. */
export function cutComparedRows({ beside, top, factors }: ComparedRows, first: number, rows: number): ComparedRows {
  const cut = (K: number): [number, number] => [first * K, (first + rows) * K];
  return {
    ...(beside && { beside: cutBeside(beside, first, rows) }),
    ...(top && {
      top: {
        ...top,
        indices: top.indices.slice(...cut(top.K)),
        logprobs: top.logprobs.slice(...cut(top.K)),
      },
    }),
    ...(factors && { factors: factors.slice(...cut(1)) }),
  };
}

function cutBeside({ format, rowBytes, data, range }: RowsBeside, first: number, rows: number): RowsBeside {
  const [at, length] = [first * rowBytes, rows * rowBytes];
  if (range !== undefined) return { format, rowBytes, range: cutRange(range, at, length) };
  return { format, rowBytes, data: data!.subarray(at, at + length) };
}

/** Copies the bytes of rows into transferable memory. */
export function* ownComparedRows(rows: ComparedRows): Steps<ComparedRows> {
  const { data } = rows.beside ?? {};
  if (data === undefined) return rows;
  const own = new Uint8Array(data.byteLength);
  yield* copyInSteps(data, own, 0);
  return { ...rows, beside: { ...rows.beside!, data: own } };
}

/** Fetches rows of a remote file into transferable memory. @throws LossmeterError like RemoteSource.readInto */
export async function fetchComparedRows(rows: ComparedRows): Promise<ComparedRows> {
  const { range, ...beside } = rows.beside ?? {};
  if (range === undefined || !isRemote(range)) return rows;
  const data = new Uint8Array(range.byteLength);
  await range.source.readInto(data, range.position);
  return { ...rows, beside: { ...(beside as RowsBeside), data } };
}

/** Bytes that a message to a worker carries. */
export function postedBytesOf({ beside, top }: ComparedRows, rows: number): number {
  const ofTop = top === undefined ? 0 : rows * top.K * (DTYPE_BYTES.int32 + DTYPE_BYTES.float64);
  const isPosted = beside !== undefined && (beside.range === undefined || isRemote(beside.range));
  return ofTop + (isPosted ? rows * beside.rowBytes : 0);
}

/** −log p of a class in the top K of a row; NaN for another class. */
export function topNllOf(label: number, { K, indices, logprobs }: TopRows, row: number): number {
  if (label < 0) return 0;
  const at = indices.subarray(row * K, (row + 1) * K).indexOf(label);
  return at < 0 ? Number.NaN : 0 - logprobs[row * K + at]!;
}

/** The most probable class in the top K of a row, the lowest on ties. */
export function mostProbableOf({ K, indices, logprobs }: TopRows, row: number): number {
  let best = row * K;
  for (let at = best + 1; at < (row + 1) * K; at++) {
    const order = logprobs[at]! - logprobs[best]!;
    if (order > 0 || (order === 0 && indices[at]! < indices[best]!)) best = at;
  }
  return indices[best]!;
}
