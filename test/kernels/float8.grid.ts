import { describe, expect, test } from 'vitest';
import { LEFT_OUT, NO_TARGET, NonFinite } from '../../kernels/abi.ts';
import { compile } from '../../kernels/instance.ts';
import type { Variant } from '../../kernels/instance.ts';
import { Kernel } from '../../kernels/kernel.ts';
import { BIT_FORMATS, ELEMENT_TYPES, FLOAT8_DTYPES } from '../../src/tensor/dtype.ts';
import { makeBadInColumn } from '../../src/diagnostics/survey.ts';
import { decode, encode, seededRandom } from '../rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);

/** Numbers of classes around the lengths of vectors and tiles. */
const CLASSES = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 255, 256, 257, 1000, 1025, 5000];

describe.each(FLOAT8_DTYPES)('%s', (dtype) => {
  const values = decode(dtype, BYTES);
  const greatest = { float8_e4m3fn: 448, float8_e5m2: 57_344 }[dtype];

  test.each(VARIANTS)('is widened exactly, all 256 bytes of it (%s)', (variant) => {
    const { memory, bindings } = compile(variant).make();
    const elements = bindings.heapBase();
    const out = elements + 256;
    new Uint8Array(memory.buffer, elements, 256).set(BYTES);
    bindings.widen(dtype, { elements, count: 256, out });
    expect(decode('bfloat16', new Uint8Array(memory.buffer, out, 512).slice())).toEqual(values);
  });

  test('has the bits of its values, and those of the nearest between them', () => {
    const { fromBits, toBits } = BIT_FORMATS[dtype]!;
    expect(Float64Array.from(BYTES, fromBits)).toEqual(values);
    const finite = [...values].filter(Number.isFinite).toSorted((a, b) => a - b);
    const between = finite.flatMap((value, k) => {
      const half = (value + (finite[k + 1] ?? value)) / 2;
      return [value, half, half + 1e-7 * Math.abs(half), half - 1e-7 * Math.abs(half)];
    });
    const beyond = [1.03, 1.036, 1.0625, 1.07, 1.08, 2, 1e30, Infinity].map((factor) => factor * greatest);
    const numbers = [...between, ...beyond, ...beyond.map((x) => -x), 1e-9, -1e-9, 0, -0];
    expect(numbers.map(toBits)).toEqual([...encode(dtype, numbers)]);
    expect(fromBits(toBits(Number.NaN))).toBeNaN();
  });

  describe.each(VARIANTS)('gives the bits that its values have as float32 (%s)', (variant) => {
    const kernel = Kernel.load(variant);

    test.each(CLASSES)('in rows of %i classes', (classes) => {
      const random = seededRandom(classes);
      for (const kind of ['finite', 'moderate', 'any'] as const) {
        const usable = BYTES.filter((byte) => {
          const size = Math.abs(values[byte]!);
          return kind === 'any' || (Number.isFinite(size) && (kind === 'finite' || size < 20));
        });
        const rows = 6;
        const logits = Uint8Array.from({ length: rows * classes }, () => usable[Math.floor(usable.length * random())]!);
        const targets = Int32Array.from({ length: rows }, () => Math.floor(classes * random()));
        targets.set([NO_TARGET, LEFT_OUT], 1);
        const data = encode(
          dtype,
          Float64Array.from(logits, () => random()),
        );
        const block = { logits, classes, targets, probabilities: { dtype, data } };
        const wide = {
          logits: encode('float32', decode(dtype, logits)),
          classes,
          targets,
          probabilities: { dtype: 'float32', data: encode('float32', decode(dtype, data)) },
        } as const;
        for (const transform of [undefined, { scale: 0.7, cap: undefined }, { scale: 1, cap: 15 }]) {
          for (const isSoft of [false, true]) {
            const chosen = ({ probabilities, ...others }: typeof block | typeof wide) => ({
              ...others,
              transform,
              weights: Float64Array.from({ length: classes }, (_, c) => (c % 5) / 4),
              probabilities: isSoft ? probabilities : undefined,
            });
            const narrow = everything(kernel, { dtype, ...chosen(block) });
            expect(narrow, `${kind}, ${JSON.stringify(transform)}`).toEqual(
              everything(kernel, { dtype: 'float32', ...chosen(wide) }),
            );
          }
        }
      }
    });
  });

  test('counts what overflowed and what is subnormal', () => {
    const kernel = Kernel.load();
    const least = 2 ** ELEMENT_TYPES[dtype].float.leastNormalExponent;
    kernel.place({ dtype, classes: 256, logits: BYTES, targets: Int32Array.of(NO_TARGET) });
    expect(kernel.received.countInRow(0, greatest)).toBe(1);
    expect(kernel.received.countInRow(0, -greatest)).toBe(1);
    const subnormal = [...values].filter((x) => x !== 0 && Math.abs(x) < least).length;
    expect(kernel.received.subnormalsInRow(0, 256)).toBe(subnormal);
    expect([subnormal, kernel.received.subnormalsInRow(0, 3)]).toEqual(dtype === 'float8_e4m3fn' ? [14, 2] : [6, 2]);
    const { nanCount, posInfCount, negInfCount } = kernel.forward();
    const counts = [nanCount, posInfCount, negInfCount].map((column) => column[0]);
    expect(counts).toEqual(dtype === 'float8_e4m3fn' ? [2, 0, 0] : [6, 1, 1]);
    expect(kernel.received.findNonFinite(0, 0, NonFinite.any)).toBe(dtype === 'float8_e4m3fn' ? 0x7f : 0x7c);
  });

  test('is read from a file, and refused as the dtype of a gradient', () => {
    const kernel = Kernel.load();
    const block = { dtype, classes: 50, targets: Int32Array.of(3, 4) };
    kernel.place({ ...block, logits: { byteLength: 100, readInto: (target) => target.set(BYTES.subarray(0, 100)) } });
    const read = kernel.forward();
    kernel.place({ ...block, logits: BYTES.subarray(0, 100) });
    expect(kernel.forward()).toEqual(read);
    const ones = Float64Array.of(1, 1);
    kernel.forwardWithGradient({ t: ones, b: ones, z: ones });
    expect(() => kernel.gradient(dtype)).toThrow('a gradient that was computed in float32 is not returned in');
    expect(kernel.name(dtype)).toMatch(dtype === 'float8_e4m3fn' ? /^f8e4m3-/ : /^f8e5m2-/);
  });
});

test.each(['float16', 'bfloat16'] as const)('subnormals of %s are counted', (dtype) => {
  const kernel = Kernel.load();
  const least = 2 ** ELEMENT_TYPES[dtype].float.leastNormalExponent;
  const row = [0, -0, least, -least, least / 2, -least / 4, 1, Infinity, Number.NaN, least / 8, 0.999 * least];
  // In bfloat16 the last value is rounded to a normal number.
  kernel.place({
    dtype,
    classes: row.length,
    logits: encode(dtype, row),
    targets: Int32Array.of(NO_TARGET),
  });
  expect(kernel.received.subnormalsInRow(0, row.length)).toBe(dtype === 'float16' ? 4 : 3);
});

/** Results of every kernel that reads logits. */
function everything(kernel: Kernel, block: Parameters<Kernel['place']>[0]): object {
  const { classes, targets, probabilities } = block;
  kernel.place(block);
  const rows = Array.from(targets, (_, row) => row);
  const column = (value: number): Float64Array => new Float64Array(rows.length).fill(value);
  const badInColumn = makeBadInColumn(classes);
  return {
    soft: probabilities && kernel.probabilities(),
    forward: kernel.forward(),
    rank: kernel.rank(),
    entropy: kernel.column('entropy'),
    uniform: kernel.uniformNll(),
    moments: kernel.softmaxMoments(),
    crossEntropy: probabilities && kernel.crossEntropy(),
    survey: kernel.survey(badInColumn),
    badInColumn: [...badInColumn],
    perRow: rows.map((row) => [
      kernel.rankOfRow(row),
      kernel.received.findNonFinite(row, 1, NonFinite.any),
      kernel.received.nonFiniteKindOf(row, 0),
      kernel.received.countInRow(row, 2),
    ]),
    withGradient: kernel.forwardWithGradient({ t: column(0.5), b: column(0.1 / classes), z: column(1e-3) }),
    norms: kernel.gradientNorms(),
    gradient: decode('bfloat16', kernel.gradient('bfloat16')),
    columns: kernel.forwardColumns(0, Math.ceil(classes / 2), new Int32Array(rows.length)),
  };
}
