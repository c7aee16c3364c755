import { refuse } from '../../errors.ts';
import { pointerTo, showValue } from '../../suggestion.ts';
import { DTYPES, DTYPE_SYNONYMS, ELEMENT_TYPES } from '../../tensor/dtype.ts';
import type { DType } from '../../tensor/dtype.ts';

const byDatatype = new Map<unknown, DType>(
  DTYPES.flatMap((dtype) => datatypesOf([dtype]).map((datatype) => [datatype, dtype])),
);

/** Datatypes by other names of the dtypes, in lower case. */
const SYNONYMS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries({ ...DTYPE_SYNONYMS, ...Object.fromEntries(DTYPES.map((dtype) => [dtype, dtype])) }).flatMap(
    ([name, dtype]) => datatypesOf([dtype]).map((datatype) => [name, datatype]),
  ),
);

/** Names that the Open Inference Protocol has for dtypes. Other dtypes are omitted. */
export function datatypesOf(dtypes: readonly DType[]): string[] {
  return dtypes.map((dtype) => ELEMENT_TYPES[dtype].openInference).filter((datatype) => datatype !== undefined);
}

/** dtype for a datatype of the Open Inference Protocol; undefined for other values. */
export function dtypeOf(datatype: unknown): DType | undefined {
  return byDatatype.get(datatype);
}

/** @throws LossmeterError invalid_tensor, which suggests the datatype for a synonym */
export function requireDatatype(
  { input, index }: { input: string; index: number },
  value: unknown,
  among: readonly DType[],
): DType {
  const dtype = dtypeOf(value);
  if (dtype !== undefined && among.includes(dtype)) return dtype;
  const names = datatypesOf(among);
  // Only synonyms are suggested: the nearest name would have another width, such as FP16 for FP8.
  const lower = dtype === undefined && typeof value === 'string' ? value.toLowerCase() : '';
  const meant = Object.hasOwn(SYNONYMS, lower) ? SYNONYMS[lower] : undefined;
  const expected = meant !== undefined && names.includes(meant) ? meant : `one of ${names.join(', ')}`;
  const detail = `the datatype of ${input} is ${showValue(value)}, expected ${expected}`;
  throw refuse('invalid_tensor', pointerTo('inputs', index, 'datatype'), detail);
}
