/** Rows of logits that are hard to sum, and their encodings, for the kernel tests and the HTTP tests. */
import type { FloatDType } from '../src/tensor/dtype.ts';

type Random = () => number;

/** Mulberry32: uniform in [0, 1), the same sequence for a seed on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal by Box and Muller. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

type RowMaker = (classes: number, target: number, random: Random) => number[];

const fill = (classes: number, value: (c: number) => number): number[] =>
  Array.from({ length: classes }, (_, c) => value(c));

const withValue = (row: number[], column: number, value: number): number[] => row.with(column, value);

/** Kinds of rows, each made for a given number of classes and a given target. */
export const ROWS: Record<string, RowMaker> = {
  normal: (C, _y, random) => fill(C, () => 3 * normal(random)),
  'uniform in ±10': (C, _y, random) => fill(C, () => 20 * random() - 10),
  'offset +1e4 with small differences': (C, _y, random) => fill(C, () => 9990 + 10 * random()),
  'offset −1e4 with small differences': (C, _y, random) => fill(C, () => -9990 - 10 * random()),
  constant: (C) => fill(C, () => 1.7),
  'constant at 1e4': (C) => fill(C, () => 1e4),
  'all zero': (C) => fill(C, () => 0),
  'ascending from −60 to 60': (C) => fill(C, (c) => -60 + (120 * c) / C),
  'descending from 60 to −60': (C) => fill(C, (c) => 60 - (120 * c) / C),
  'target 18 above a flat rest': (C, y) =>
    withValue(
      fill(C, () => 0.3),
      y,
      18.3,
    ),
  'peak 15 above a flat rest at the end': (C) =>
    withValue(
      fill(C, () => 0.1),
      C - 1,
      15.1,
    ),
  'peak 21 above a flat rest at the end, reference below': (C) =>
    withValue(
      fill(C, () => 0.3),
      C - 1,
      21.7,
    ),
  'two peaks 25 above the first tile, beyond it': (C) => fill(C, (c) => (c === C - 1 || c === C - 2 ? 25.3 : 0.1)),
  'two peaks 40 above the first tile, beyond it': (C) => fill(C, (c) => (c === C - 1 || c === C - 2 ? 40.37 : 0.1)),
  'two peaks 67 above the first tile, beyond it': (C) => fill(C, (c) => (c === C - 1 || c === C - 2 ? 67.41 : 0.1)),
  'peak 80 above a flat rest at the end, reference far below': (C) =>
    withValue(
      fill(C, () => 0.3),
      C - 1,
      80.1,
    ),
  'peak 50 above a flat rest at the start, reference far above': (C) =>
    withValue(
      fill(C, () => 0.003),
      0,
      50.1,
    ),
  'peak 1000 above a flat rest in the middle': (C) =>
    withValue(
      fill(C, () => -3),
      C >> 1,
      997.7,
    ),
  'half −Inf': (C, y, random) => fill(C, (c) => (c % 2 === 0 && c !== y ? -Infinity : normal(random))),
  '−Inf in the first tile only': (C, y, random) => fill(C, (c) => (c < 256 && c !== y ? -Infinity : normal(random))),
  '−Inf everywhere but at the target': (C, y) =>
    withValue(
      fill(C, () => -Infinity),
      y,
      2.5,
    ),
  'all −Inf': (C) => fill(C, () => -Infinity),
  '−Inf at the target': (C, y, random) =>
    withValue(
      fill(C, () => normal(random)),
      y,
      -Infinity,
    ),
  '+Inf at the end': (C, _y, random) =>
    withValue(
      fill(C, () => normal(random)),
      C - 1,
      Infinity,
    ),
  '+Inf at the target': (C, y, random) =>
    withValue(
      fill(C, () => normal(random)),
      y,
      Infinity,
    ),
  'NaN at the start': (C, _y, random) =>
    withValue(
      fill(C, () => normal(random)),
      0,
      Number.NaN,
    ),
  'NaN in the middle': (C, _y, random) =>
    withValue(
      fill(C, () => normal(random)),
      C >> 1,
      Number.NaN,
    ),
  'NaN, +Inf and −Inf together': (C) => fill(C, (c) => [Number.NaN, Infinity, -Infinity, 1][c % 4]!),
  subnormal: (C, _y, random) => fill(C, () => (random() - 0.5) * 1e-39),
  'float16 subnormal': (C, _y, random) => fill(C, () => (random() - 0.5) * 6e-5),
  'spanning ±200': (C, _y, random) => fill(C, () => 400 * random() - 200),
  'spanning ±1e4': (C, _y, random) => fill(C, () => 2e4 * random() - 1e4),
  'largest float16 at both ends': (C, _y, random) => fill(C, () => (random() < 0.5 ? 65504 : -65504)),
  'near −65504': (C, _y, random) => fill(C, () => (random() < 0.9 ? -65504 : -65440)),
  'near −65504 and −Inf': (C, y) => fill(C, (c) => (c === y || c === 0 ? -65504 : -Infinity)),
  'confident: nll about 1e-3': (C, y, random) => confident(C, y, 1e-3, random),
  'confident: nll about 1e-6': (C, y, random) => confident(C, y, 1e-6, random),
  'confident with an offset of 1e4': (C, y, random) => confident(C, y, 1e-5, random).map((x) => x + 8000),
};

function confident(C: number, y: number, nll: number, random: Random): number[] {
  const row = fill(C, () => normal(random));
  const rest = row.reduce((sum, x, c) => sum + (c === y ? 0 : Math.exp(x)), 0);
  return withValue(row, y, rest === 0 ? 0 : Math.log(rest / nll));
}

/** Encodes values as bytes of a dtype, rounded to nearest, ties to even. */
export function encode(dtype: FloatDType, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  switch (dtype) {
    case 'float8_e4m3fn':
    case 'float8_e5m2':
      return Uint8Array.from(values, (value) => nearestFloat8(FLOAT8[dtype], value));
    case 'float16':
      return new Uint8Array(Float16Array.from(values).buffer);
    case 'bfloat16':
      return new Uint8Array(Uint16Array.from(values, toBfloat16).buffer);
    case 'float32':
      return new Uint8Array(Float32Array.from(values).buffer);
    case 'float64':
      return new Uint8Array(Float64Array.from(values).buffer);
  }
}

/** Decodes the bytes of a dtype to float64. */
export function decode(dtype: FloatDType, bytes: Uint8Array<ArrayBuffer>): Float64Array {
  switch (dtype) {
    case 'float8_e4m3fn':
    case 'float8_e5m2':
      return Float64Array.from(bytes, (byte) => FLOAT8[dtype][byte]!);
    case 'float16':
      return Float64Array.from(new Float16Array(bytes.buffer));
    case 'bfloat16':
      return Float64Array.from(new Uint16Array(bytes.buffer), fromBfloat16);
    case 'float32':
      return Float64Array.from(new Float32Array(bytes.buffer));
    case 'float64':
      return new Float64Array(bytes.buffer);
  }
}

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

function toBfloat16(value: number): number {
  single[0] = value;
  const word = bits[0]!;
  if (Number.isNaN(value)) return (word >>> 16) | 0x40;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

function fromBfloat16(word: number): number {
  bits[0] = word << 16;
  return single[0]!;
}

/** Value of each byte of the float8 formats, from sign, exponent and mantissa (OFP8). */
const FLOAT8 = {
  float8_e4m3fn: float8Values(3, 7, (magnitude) => (magnitude === 0x7f ? Number.NaN : undefined)),
  float8_e5m2: float8Values(2, 15, (magnitude) =>
    magnitude > 0x7c ? Number.NaN : magnitude === 0x7c ? Infinity : undefined,
  ),
} as const;

function float8Values(mantissaBits: number, bias: number, specialOf: (magnitude: number) => number | undefined) {
  return Array.from({ length: 256 }, (_, byte) => {
    const magnitude = byte & 0x7f;
    const exponent = magnitude >> mantissaBits;
    const mantissa = (magnitude & ((1 << mantissaBits) - 1)) / (1 << mantissaBits);
    const normal = (1 + mantissa) * 2 ** (exponent - bias);
    const value = specialOf(magnitude) ?? (exponent === 0 ? mantissa * 2 ** (1 - bias) : normal);
    return byte < 128 ? value : -value;
  });
}

/** Byte of the nearest value, by trying every byte. Ties go to even. Half a step above the greatest value overflows. */
function nearestFloat8(values: readonly number[], value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const finite = Array.from({ length: 128 }, (_, magnitude) => magnitude).filter((k) => Number.isFinite(values[k]));
  const top = finite.at(-1)!;
  const overflow = values[top]! + (values[top]! - values[top - 1]!) / 2;
  if (Number.isNaN(value)) return 0x7f;
  if (Math.abs(value) > overflow || (Math.abs(value) === overflow && top % 2 === 1)) return sign | (top + 1);
  const distance = (k: number): number => Math.abs(Math.abs(value) - values[k]!);
  const nearest = finite.toSorted((a, b) => distance(a) - distance(b) || (a % 2) - (b % 2))[0]!;
  return sign | nearest;
}
