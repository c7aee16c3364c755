/** Element types and their widths in bytes, by the names that the wire uses. */
export const DTYPE_BYTES = {
  float16: 2,
  bfloat16: 2,
  float32: 4,
  float64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
} as const;

export type DType = keyof typeof DTYPE_BYTES;

export const FLOAT_DTYPES = ['float16', 'bfloat16', 'float32', 'float64'] as const;
export type FloatDType = (typeof FLOAT_DTYPES)[number];

export const DTYPES = Object.keys(DTYPE_BYTES) as readonly DType[];

export function isDType(name: unknown): name is DType {
  return typeof name === 'string' && Object.hasOwn(DTYPE_BYTES, name);
}

export function isFloatDType(dtype: DType): dtype is FloatDType {
  return (FLOAT_DTYPES as readonly DType[]).includes(dtype);
}

/** Exponent of the smallest positive normal number, 2^exponent. */
export const LEAST_NORMAL_EXPONENT: Readonly<Record<FloatDType, number>> = {
  float16: -14,
  bfloat16: -126,
  float32: -126,
  float64: -1022,
};
