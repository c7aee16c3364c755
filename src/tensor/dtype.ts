import { BFLOAT16, float8 } from './bits.ts';
import type { BitFormat } from './bits.ts';

/** Properties of an element type: a row of the table. */
export interface ElementType {
  /** Width of an element, in bytes. */
  readonly bytes: number;
  /** Typed array of the elements: of their values, or of their bits when `bits` converts them. */
  readonly View: ViewConstructor;
  /** Conversion of elements for which JavaScript has no typed array. */
  readonly bits?: BitFormat;
  /** Properties of floating point; absent for integers. */
  readonly float?: FloatProperties;
  /** Closed range of integers. */
  readonly range?: readonly [least: bigint, greatest: bigint];
  /** NumPy name with which arrays are written. If NumPy lacks the type, it is the name of the integers with the same bits. */
  readonly numpy: string;
  /** NumPy names from which arrays are read, if they differ from `numpy`. */
  readonly readAs?: readonly string[];
  /** Name in safetensors, if it has one. */
  readonly safetensors: string | undefined;
  /** Name in the Open Inference Protocol, which has no float8. */
  readonly openInference: string | undefined;
  /** Names in other libraries, in lower case. */
  readonly synonyms?: readonly string[];
}

interface FloatProperties {
  /** Exponent e of the smallest positive normal number, 2^e. */
  readonly leastNormalExponent: number;
  /** Prefix of the names of its kernels. */
  readonly kernel: string;
  /** Wider dtype to which the elements are converted, without loss, for the kernels. */
  readonly widened?: 'bfloat16';
  /** Narrow range for which the diagnostics report signs of overflow and underflow. */
  readonly narrow?: NarrowRange;
}

interface NarrowRange {
  /** Field of the diagnostics. */
  readonly field: 'float8' | 'float16';
  /** Largest finite value. */
  readonly largest: number;
  /** Value that larger numbers become. */
  readonly overflow: 'NaN' | 'Infinity';
}

type ViewConstructor =
  | typeof Float16Array
  | typeof Float32Array
  | typeof Float64Array
  | typeof Int8Array
  | typeof Int16Array
  | typeof Int32Array
  | typeof BigInt64Array
  | typeof Uint8Array
  | typeof Uint16Array
  | typeof Uint32Array
  | typeof BigUint64Array;

const signed = (bits: bigint) => [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n] as const;
const unsigned = (bits: bigint) => [0n, 2n ** bits - 1n] as const;

/** Element types by their names on the wire. */
export const ELEMENT_TYPES = {
  float16: {
    bytes: 2,
    View: Float16Array,
    float: {
      leastNormalExponent: -14,
      kernel: 'f16',
      narrow: { field: 'float16', largest: 65_504, overflow: 'Infinity' },
    },
    numpy: '<f2',
    safetensors: 'F16',
    openInference: 'FP16',
    synonyms: ['half'],
  },
  bfloat16: {
    bytes: 2,
    View: Uint16Array,
    bits: BFLOAT16,
    float: { leastNormalExponent: -126, kernel: 'bf16' },
    numpy: '<u2',
    readAs: ['V2', '|V2', '<V2'],
    safetensors: 'BF16',
    openInference: 'BF16',
  },
  float32: {
    bytes: 4,
    View: Float32Array,
    float: { leastNormalExponent: -126, kernel: 'f32' },
    numpy: '<f4',
    safetensors: 'F32',
    openInference: 'FP32',
    synonyms: ['float'],
  },
  float64: {
    bytes: 8,
    View: Float64Array,
    float: { leastNormalExponent: -1022, kernel: 'f64' },
    numpy: '<f8',
    safetensors: 'F64',
    openInference: 'FP64',
    synonyms: ['double'],
  },
  float8_e4m3fn: {
    bytes: 1,
    View: Uint8Array,
    bits: float8({ mantissaBits: 3, bias: 7, overflow: 0x7f }),
    float: {
      leastNormalExponent: -6,
      kernel: 'f8e4m3',
      widened: 'bfloat16',
      narrow: { field: 'float8', largest: 448, overflow: 'NaN' },
    },
    numpy: '|u1',
    readAs: [],
    safetensors: 'F8_E4M3',
    openInference: undefined,
    synonyms: ['float8_e4m3', 'e4m3fn', 'e4m3'],
  },
  float8_e5m2: {
    bytes: 1,
    View: Uint8Array,
    bits: float8({ mantissaBits: 2, bias: 15, overflow: 0x7c }),
    float: {
      leastNormalExponent: -14,
      kernel: 'f8e5m2',
      widened: 'bfloat16',
      narrow: { field: 'float8', largest: 57_344, overflow: 'Infinity' },
    },
    numpy: '|u1',
    readAs: [],
    safetensors: 'F8_E5M2',
    openInference: undefined,
    synonyms: ['e5m2'],
  },
  int8: { bytes: 1, View: Int8Array, range: signed(8n), numpy: '|i1', safetensors: 'I8', openInference: 'INT8' },
  int16: { bytes: 2, View: Int16Array, range: signed(16n), numpy: '<i2', safetensors: 'I16', openInference: 'INT16' },
  int32: { bytes: 4, View: Int32Array, range: signed(32n), numpy: '<i4', safetensors: 'I32', openInference: 'INT32' },
  int64: {
    bytes: 8,
    View: BigInt64Array,
    range: signed(64n),
    numpy: '<i8',
    safetensors: 'I64',
    openInference: 'INT64',
    synonyms: ['int', 'long'],
  },
  uint8: { bytes: 1, View: Uint8Array, range: unsigned(8n), numpy: '|u1', safetensors: 'U8', openInference: 'UINT8' },
  uint16: {
    bytes: 2,
    View: Uint16Array,
    range: unsigned(16n),
    numpy: '<u2',
    safetensors: 'U16',
    openInference: 'UINT16',
  },
  uint32: {
    bytes: 4,
    View: Uint32Array,
    range: unsigned(32n),
    numpy: '<u4',
    safetensors: 'U32',
    openInference: 'UINT32',
  },
  uint64: {
    bytes: 8,
    View: BigUint64Array,
    range: unsigned(64n),
    numpy: '<u8',
    safetensors: 'U64',
    openInference: 'UINT64',
  },
  bool: {
    bytes: 1,
    View: Uint8Array,
    range: unsigned(1n),
    numpy: '|b1',
    safetensors: 'BOOL',
    openInference: 'BOOL',
    synonyms: ['boolean', '?'],
  },
} as const satisfies Readonly<Record<string, ElementType>>;

type Table = typeof ELEMENT_TYPES;

export type DType = keyof Table;
export type FloatDType = { [D in DType]: Table[D] extends { float: object } ? D : never }[DType];
export type Float8DType = { [D in DType]: Table[D] extends { float: { widened: string } } ? D : never }[DType];
export type KernelDType = Exclude<FloatDType, Float8DType>;

export const DTYPES = Object.keys(ELEMENT_TYPES) as readonly DType[];
export const FLOAT_DTYPES = DTYPES.filter((dtype) => isFloatDType(dtype));

/** Floating-point dtypes that the kernels widen. */
export const FLOAT8_DTYPES = FLOAT_DTYPES.filter((dtype) => isFloat8(dtype));

/** Floating-point dtypes with their own kernels. */
export const KERNEL_DTYPES = FLOAT_DTYPES.filter((dtype) => !isFloat8(dtype)) as readonly KernelDType[];

export function isDType(name: unknown): name is DType {
  return typeof name === 'string' && Object.hasOwn(ELEMENT_TYPES, name);
}

export function isFloatDType<D extends DType>(dtype: D): dtype is D & FloatDType {
  return 'float' in ELEMENT_TYPES[dtype];
}

export function isFloat8(dtype: DType): dtype is Float8DType {
  const { float }: ElementType = ELEMENT_TYPES[dtype];
  return float?.widened !== undefined;
}

/** A property of the element types by dtype. */
function column<Value>(valueOf: (row: ElementType) => Value): Readonly<Record<DType, Value>> {
  return Object.fromEntries(DTYPES.map((dtype) => [dtype, valueOf(ELEMENT_TYPES[dtype])])) as Record<DType, Value>;
}

/** Widths of the elements. */
export const DTYPE_BYTES = column(({ bytes }) => bytes);

/** Narrow ranges by dtype. */
export const NARROW_RANGES = column(({ float }) => float?.narrow);

/** Conversions of elements for which JavaScript has no typed array, by dtype. */
export const BIT_FORMATS = column(({ bits }) => bits);

/** dtypes by other names, in lower case, for messages. */
export const DTYPE_SYNONYMS: Readonly<Record<string, DType>> = Object.fromEntries(
  DTYPES.flatMap((dtype) => {
    const { numpy, readAs, safetensors, openInference, synonyms = [] }: ElementType = ELEMENT_TYPES[dtype];
    const names = [...(readAs ?? [numpy]), safetensors, openInference, ...synonyms];
    return names.filter((name) => name !== undefined).map((name) => [name.toLowerCase(), dtype]);
  }),
);
