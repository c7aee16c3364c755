import { refuse } from '../../errors.ts';
import { placeIn, showValue } from '../../suggestion.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { Shape } from '../../tensor/shape.ts';
import { NUMPY_KEYS, readNumpyKey, textOf } from './numpy.ts';
import { duplicateField } from '../request.ts';
import { missingKey, noTensor, requireDType, requireShape, requireTensorKey } from '../tensors/tensor-value.ts';
import type { TensorKey } from '../tensors/tensor-value.ts';

type NumpyKey = (typeof NUMPY_KEYS)[number];

/**
 * Reads the keys of a tensor in MessagePack in the order in which they arrive: {dtype, shape, data}, or the keys of
 * msgpack-numpy. Each key is checked at once. `finish` checks that all keys are of one form and that none is missing.
 */
export class TensorMap {
  readonly #field: string;
  readonly #seen = new Set<TensorKey | NumpyKey>();
  #dtype: DType | undefined;
  #shape: Shape | undefined;
  /** Pairs of msgpack-numpy that are not checked yet. */
  readonly #numpyPairs: [key: Exclude<NumpyKey, TensorKey>, value: unknown][] = [];

  constructor(field: string) {
    this.#field = field;
  }

  /** True for an array of msgpack-numpy. */
  get isNumpy(): boolean {
    return this.#seen.has('nd');
  }

  /** Adds the next key. @throws LossmeterError unknown_field, malformed_body for a duplicate key */
  next(name: unknown): TensorKey | NumpyKey {
    const text = textOf(name);
    const key = isNumpyKey(text) ? text : requireTensorKey(this.#field, text);
    if (this.#seen.has(key)) throw duplicateField(`${this.#field}.${key}`);
    this.#seen.add(key);
    return key;
  }

  /** Sets the value of a key. @throws LossmeterError invalid_tensor */
  set(key: Exclude<TensorKey | NumpyKey, 'data'>, value: unknown): void {
    if (key === 'shape') this.#shape = requireShape(this.#field, value);
    else if (key === 'dtype') this.#dtype = requireDType(this.#field, value);
    else {
      this.#numpyPairs.push([key, value]);
      // Without nd, "type" is a mistake for dtype, which requireOneForm reports.
      if (!this.isNumpy) return;
      for (const pair of this.#numpyPairs.splice(0)) this.#dtype = readNumpyKey(this.#field, ...pair) ?? this.#dtype;
    }
  }

  /** Values that were read so far. */
  get known(): { dtype: DType | undefined; shape: Shape | undefined } {
    return { dtype: this.#dtype, shape: this.#shape };
  }

  /** @throws LossmeterError unknown_field, invalid_tensor when a key is missing */
  finish(): { dtype: DType; shape: Shape } {
    this.requireOneForm();
    const { dtype, shape } = this.known;
    if (this.#seen.size === 0) throw noTensor(this.#field, {});
    if (dtype === undefined) throw this.#missing(this.isNumpy ? 'type' : 'dtype');
    if (shape === undefined) throw this.#missing('shape');
    if (!this.#seen.has('data')) throw this.#missing('data');
    return { dtype, shape };
  }

  /** Checks that the keys are all of one form. @throws LossmeterError unknown_field */
  requireOneForm(): void {
    for (const key of this.#seen) {
      if (!this.isNumpy) requireTensorKey(this.#field, key);
      else if (!isNumpyKey(key)) {
        const detail = `unknown key ${showValue(key)} in ${this.#field}; ${NUMPY_FORM}`;
        throw refuse('unknown_field', placeIn(this.#field, key), detail);
      }
    }
  }

  #missing(key: TensorKey | 'type'): Error {
    if (key !== 'type' && !this.isNumpy) return missingKey(this.#field, key);
    return refuse('invalid_tensor', placeIn(this.#field), `${this.#field} has no ${key}; ${NUMPY_FORM}`);
  }
}

const NUMPY_FORM = `an array of msgpack-numpy has ${NUMPY_KEYS.join(', ')}`;

function isNumpyKey(key: unknown): key is NumpyKey {
  return (NUMPY_KEYS as readonly unknown[]).includes(key);
}
