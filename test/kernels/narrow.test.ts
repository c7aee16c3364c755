import { describe, expect, test } from 'vitest';
import { Kernel } from '../../kernels/kernel.ts';
import type { Variant } from '../../kernels/instance.ts';
import { decode, encode } from '../rows.ts';

const kernels = (['strict', 'relaxed'] satisfies Variant[]).map((variant) => Kernel.load(variant));

/** Makes gradients with the given values: the gradient of ½·lse² of a row with a single class is the logit. */
function placeGradient(kernel: Kernel, computed: 'float32' | 'float64', values: Float64Array): void {
  const rows = values.length;
  const logits = encode(computed, values);
  kernel.place({ dtype: computed, classes: 1, logits, targets: new Int32Array(rows) });
  kernel.forwardWithGradient({
    t: new Float64Array(rows),
    b: new Float64Array(rows),
    z: new Float64Array(rows).fill(1),
  });
}

/** Every finite value of a 16-bit dtype, the midpoint to the next value, and values on both sides of the midpoint. */
function aroundEvery(decodeBits: (bits: Uint16Array<ArrayBuffer>) => Float64Array): Float64Array {
  const all = decodeBits(Uint16Array.from({ length: 65_536 }, (_, bits) => bits));
  return Float64Array.from(
    Array.from(all).flatMap((value, bits) => {
      const next = all[bits + 1]!;
      if (!Number.isFinite(value) || !Number.isFinite(next)) return [];
      const half = (value + next) / 2;
      const beside = Math.abs(value - next) / 64;
      // `+ 0` turns −0 into 0: a gradient of −0 cannot be made this way.
      return [value + 0, half, half - beside, half + beside];
    }),
  );
}

const bytesOf = (bits: Uint16Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => new Uint8Array(bits.buffer);
const FLOAT16 = aroundEvery((bits) => decode('float16', bytesOf(bits)));
const BFLOAT16 = aroundEvery((bits) => decode('bfloat16', bytesOf(bits)));
const OVERFLOWING = Float64Array.of(
  65_504,
  65_519.99,
  65_520,
  65_536,
  1e5,
  -65_519.99,
  -65_520,
  -1e30,
  3.4e38,
  -3.4e38,
);

/** The nearest bfloat16 by arithmetic alone: multiples of the last place, half to even. */
function toBfloat16(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const magnitude = Math.abs(value);
  const place = 2 ** (Math.max(Math.floor(Math.log2(magnitude)), -126) - 7);
  const steps = Math.floor(magnitude / place);
  const rest = magnitude / place - steps;
  const rounded = (rest > 0.5 || (rest === 0.5 && steps % 2 === 1) ? steps + 1 : steps) * place;
  return Math.sign(value) * (rounded >= 2 ** 128 ? Infinity : rounded);
}

/** First element that differs from the expected one. There are too many elements for one assertion each. */
function firstDifference(got: Float64Array, wanted: Float64Array, from: Float64Array): object | undefined {
  const k = wanted.findIndex((value, k) => !Object.is(got[k], value));
  if (k < 0 && got.length === wanted.length) return undefined;
  return { value: from[k], got: got[k], wanted: wanted[k], lengths: [got.length, wanted.length] };
}

describe.each(['float32', 'float64'] as const)('a gradient that was computed in %s', (computed) => {
  test('comes as it was computed', () => {
    for (const kernel of kernels) {
      placeGradient(kernel, computed, FLOAT16);
      expect(firstDifference(decode(computed, kernel.gradient(computed)), FLOAT16, FLOAT16)).toBeUndefined();
    }
  });

  test('is rounded to float16 by nearest even, to subnormals and to infinity', () => {
    const values = Float64Array.of(
      ...FLOAT16.filter((_value, k) => k % 3 === 0),
      ...OVERFLOWING,
      2 ** -25,
      3 * 2 ** -25,
    );
    const single = Float32Array.from(values);
    for (const kernel of kernels) {
      placeGradient(kernel, computed, Float64Array.from(single));
      expect(
        firstDifference(
          decode('float16', kernel.gradient('float16')),
          Float64Array.from(new Float16Array(single)),
          values,
        ),
      ).toBeUndefined();
    }
  });

  test('is rounded to bfloat16 by nearest even, to subnormals and to infinity', () => {
    const values = Float64Array.of(...BFLOAT16.filter((_value, k) => k % 3 === 0), 3.395e38, 3.4e38, -3.4e38);
    const single = Float64Array.from(Float32Array.from(values));
    for (const kernel of kernels) {
      placeGradient(kernel, computed, single);
      expect(
        firstDifference(decode('bfloat16', kernel.gradient('bfloat16')), single.map(toBfloat16), single),
      ).toBeUndefined();
    }
  });

  test('is NaN in every dtype for a row with a NaN, beside rows without', () => {
    for (const kernel of kernels) {
      for (const dtype of ['float16', 'bfloat16', 'float32'] as const) {
        placeGradient(kernel, computed, Float64Array.of(1, Number.NaN, 2, 3, Number.NaN, 4, Number.NaN));
        const expected = [1, Number.NaN, 2, 3, Number.NaN, 4, Number.NaN];
        expect(Array.from(decode(dtype, kernel.gradient(dtype)))).toEqual(expected);
      }
    }
  });

  test('is rounded alike whatever its length', () => {
    for (const kernel of kernels) {
      for (let length = 1; length <= 17; length++) {
        const values = Float64Array.from({ length }, (_, k) => Math.fround((k + 1) / 3));
        placeGradient(kernel, computed, values);
        expect(
          firstDifference(
            decode('float16', kernel.gradient('float16')),
            Float64Array.from(new Float16Array(values)),
            values,
          ),
        ).toBeUndefined();
        expect(
          firstDifference(decode('bfloat16', kernel.gradient('bfloat16')), values.map(toBfloat16), values),
        ).toBeUndefined();
      }
    }
  });
});

test('a gradient computed in float64 is rounded to float32 by nearest even', () => {
  const values = Float64Array.of(
    1 / 3,
    1 + 2 ** -24,
    1 + 3 * 2 ** -24,
    1e-46,
    2 ** -149,
    1.5 * 2 ** -149,
    1e39,
    -1e300,
  );
  for (const kernel of kernels) {
    placeGradient(kernel, 'float64', values);
    expect(
      firstDifference(
        decode('float32', kernel.gradient('float32')),
        Float64Array.from(Float32Array.from(values)),
        values,
      ),
    ).toBeUndefined();
  }
});

test('a gradient that was computed in float32 is not float64', () => {
  placeGradient(kernels[0]!, 'float32', Float64Array.of(1));
  expect(() => kernels[0]!.gradient('float64')).toThrow(RangeError);
});
