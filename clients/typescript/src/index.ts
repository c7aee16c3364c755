export { Client } from './client.ts';
export type { ClientOptions, RunEvent } from './client.ts';
export { ProblemError } from './problem.ts';
export { arrayOf, tensor } from './tensor.ts';
export type { DType, Tensor, TypedArray } from './tensor.ts';
export type * from './types.ts';
