import { refuse } from '../../errors.ts';
import { showValue, suggestName } from '../../suggestion.ts';
import type { DType } from '../../tensor/dtype.ts';

/** The Open Inference Protocol's names of the dtypes. */
export const DATATYPES = {
  float16: 'FP16',
  bfloat16: 'BF16',
  float32: 'FP32',
  float64: 'FP64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  bool: 'BOOL',
} as const satisfies Readonly<Record<DType, string>>;

const byDatatype = new Map<unknown, DType>(
  Object.entries(DATATYPES).map(([dtype, datatype]) => [datatype, dtype as DType]),
);

/** Other names of datatypes, in lower case. */
const SYNONYMS: Readonly<Record<string, string>> = {
  ...DATATYPES,
  ...Object.fromEntries(Object.values(DATATYPES).map((datatype) => [datatype.toLowerCase(), datatype])),
  ...{ half: 'FP16', float: 'FP32', double: 'FP64', int: 'INT64', long: 'INT64', boolean: 'BOOL' },
  ...{ f16: 'FP16', f32: 'FP32', f64: 'FP64' },
};

export function dtypeOf(datatype: unknown): DType | undefined {
  return byDatatype.get(datatype);
}

/** @throws LossmeterError invalid_tensor, with the name that was probably meant */
export function requireDatatype(input: string, value: unknown, among: readonly DType[]): DType {
  const dtype = dtypeOf(value);
  if (dtype !== undefined && among.includes(dtype)) return dtype;
  const names = among.map((one) => DATATYPES[one]);
  const meant = dtype === undefined && typeof value === 'string' ? suggestName(value, names, SYNONYMS) : undefined;
  const expected =
    meant !== undefined && names.includes(meant as (typeof names)[number]) ? meant : `one of ${names.join(', ')}`;
  const detail = `the datatype of ${input} is ${showValue(value)}, expected ${expected}`;
  throw refuse('invalid_tensor', `/inputs/${input}/datatype`, detail);
}
