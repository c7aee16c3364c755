import { ELEMENT_TYPES, FLOAT_DTYPES } from '../src/tensor/dtype.ts';

/** Pattern of the names of kernels. */
export const KERNEL_PATTERN = `(${FLOAT_DTYPES.map((dtype) => ELEMENT_TYPES[dtype].float.kernel).join('|')})-(relaxed|strict)-simd`;
