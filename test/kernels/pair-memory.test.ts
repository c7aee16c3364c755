import { expect, test } from 'vitest';
import { NO_TARGET } from '../../kernels/abi.ts';
import { Arena } from '../../kernels/arena.ts';
import { compile } from '../../kernels/instance.ts';
import { PlacedPair, pairBytes } from '../../kernels/pair.ts';
import { rowBytesOf } from '../../kernels/quantised.ts';
import type { RowFormat } from '../../kernels/quantised.ts';
import { PlacedTopK, topKBytes } from '../../kernels/top-k.ts';
import { DTYPE_BYTES, FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { shareOf } from '../lists.ts';
import { seededRandom } from '../rows.ts';

/** An arena that records the peak of its allocations. */
class MeteredArena extends Arena {
  most = 0;
  readonly #first: number;

  constructor(memory: WebAssembly.Memory, start: number) {
    super(memory, start);
    this.#first = start;
  }

  override allocate(bytes: number): number {
    const at = super.allocate(bytes);
    this.most = Math.max(this.most, at + bytes - this.#first);
    return at;
  }
}

/** Peak of the kernel memory of a run in bytes, plus the bytes of the gradient that it returns. */
function taken(
  run: (memory: { bindings: ReturnType<typeof instance>['bindings']; arena: MeteredArena }) => Uint8Array | undefined,
): number {
  const { bindings, memory } = instance();
  const arena = new MeteredArena(memory, bindings.heapBase());
  const returned = run({ bindings, arena });
  expect(memory.buffer.byteLength).toBeGreaterThanOrEqual(arena.most);
  return arena.most + (returned?.byteLength ?? 0);
}

const instance = compile('strict').make;
const random = seededRandom(31);
const upTo = (most: number): number => 1 + Math.floor(most * random());
const oneOf = <T>(values: readonly T[]): T => values[Math.floor(values.length * random())]!;

/** Allowance for alignment: 16 bytes for each of 20 allocations. */
const ALIGNMENT = 20 * 16;

/** Dtypes in which the gradient of such a pair can be returned. */
const gradientDTypes = (logits: FloatDType, isWide: boolean): FloatDType[] =>
  isWide
    ? ['float64', 'float32', 'float16']
    : logits.startsWith('float8')
      ? ['float32']
      : ['float32', 'float16', 'bfloat16'];

test('a pair takes no more memory than it accounts for, and no less than half', () => {
  for (let k = 0; k < shareOf(150, 5); k++) {
    const rows = upTo(60);
    const classes = k % 10 === 0 ? upTo(150_000) : upTo(4000);
    const logits = oneOf(FLOAT_DTYPES);
    const reference = oneOf<RowFormat>([...FLOAT_DTYPES, 'quantised']);
    const scale = reference === 'quantised' ? 1 : oneOf([1, 0.5, 1e-30]);
    const isWide = logits === 'float64' || reference === 'float64' || scale < 1e-25;
    const gradientDType = oneOf([undefined, ...gradientDTypes(logits, isWide)]);
    const accounted = pairBytes({ rows, classes, logits, reference, scale, gradientDType });
    const used = taken((memory) => {
      const pair = new PlacedPair(memory, {
        classes,
        targets: new Int32Array(rows).fill(NO_TARGET),
        logits: { dtype: logits, data: new Uint8Array(rows * classes * DTYPE_BYTES[logits]) },
        reference:
          reference === 'quantised'
            ? { quantised: new Uint8Array(rows * rowBytesOf(reference, classes)) }
            : { dtype: reference, data: new Uint8Array(rows * classes * DTYPE_BYTES[reference]) },
        scale,
      });
      pair.compare({ direction: 'forward', floor: reference === 'quantised' ? 16 : undefined });
      pair.logits.rank();
      pair.reference.rank();
      // For a coefficient of 1e30 the gradient is divided by a power of two, which takes the most memory.
      return gradientDType && pair.gradient(new Float64Array(rows).fill(1e30), gradientDType);
    });
    const message = `${rows} × ${classes} ${logits} and ${reference} times ${scale}, gradient ${gradientDType}`;
    expect(used, message).toBeLessThanOrEqual(accounted + ALIGNMENT);
    expect(used, message).toBeGreaterThanOrEqual(accounted / 2);
  }
});

test('a comparison with the top K takes no more memory than it accounts for, and no less than half', () => {
  for (let k = 0; k < shareOf(60, 5); k++) {
    const rows = upTo(40);
    const classes = 8 + upTo(4000);
    const K = upTo(8);
    const logits = oneOf(FLOAT_DTYPES);
    const gradientDType = oneOf([undefined, ...gradientDTypes(logits, logits === 'float64')]);
    const accounted = topKBytes(rows, { classes, logits, gradientDType });
    const used = taken((memory) => {
      const placed = new PlacedTopK(memory, {
        classes,
        targets: new Int32Array(rows).fill(NO_TARGET),
        logits: { dtype: logits, data: new Uint8Array(rows * classes * DTYPE_BYTES[logits]) },
        K,
        indices: Int32Array.from({ length: rows * K }, (_, at) => at % K),
        logprobs: new Float64Array(rows * K).fill(-3),
        tail: 'bucket',
      });
      placed.compare();
      placed.logits.rank();
      return gradientDType && placed.gradient(new Float64Array(rows).fill(1), gradientDType);
    });
    const message = `${rows} × ${classes} ${logits}, gradient ${gradientDType}`;
    expect(used, message).toBeLessThanOrEqual(accounted + ALIGNMENT);
    expect(used, message).toBeGreaterThanOrEqual(accounted / 2);
  }
});
