/** Batches for the property tests, and their evaluation without HTTP. */
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { afterAll } from 'vitest';
import { loadConfig } from '../../src/environment.ts';
import { CROSS_ENTROPY } from '../../src/evaluations/cross-entropy/cross-entropy.ts';
import { Evaluator } from '../../src/pipeline/evaluator.ts';
import type { Evaluation } from '../../src/contract/cross-entropy.ts';
import { KernelPool } from '../../src/engine/pool.ts';
import { msgpackCodec } from '../../src/wire/msgpack/codec.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { KernelDType } from '../../src/tensor/dtype.ts';
import { elementsOf } from '../../src/tensor/tensor.ts';
import { shareOf } from '../lists.ts';
import { decode, encode } from '../rows.ts';

export const LIMITS = {
  ...loadConfig({ LOSSMETER_STORE: ':memory:' }),
  maxBodyBytes: 2 ** 30,
  maxJsonBytes: 2 ** 20,
  maxHeldBytes: 2 ** 20,
};

/** Pool with slabs of a few rows, so that every batch is cut into blocks. */
const POOL = { workers: 2, kernel: 'auto', slabBytes: 512, maxRowBytes: 2 ** 26, maxSlabBytes: 2 ** 20 } as const;

const pools = [new KernelPool({ ...POOL, inlineLogits: 0 }), new KernelPool({ ...POOL, inlineLogits: 2 ** 20 })];
export const [onWorkers, inline] = pools.map((pool) => new Evaluator(pool, LIMITS)) as [Evaluator, Evaluator];
const packr = new Packr({ useRecords: false, variableMapSize: true });
afterAll(() => Promise.all(pools.map((pool) => pool.close())));

interface Row {
  logits: number[];
  label: number;
  mask: number;
}

export interface Batch {
  dtype: KernelDType;
  rows: Row[];
}

/** Small batches of rows of the given logits. */
export function batchesOf(
  logit: fc.Arbitrary<number>,
  { dtypes = KERNEL_DTYPES, maxClasses = 40 }: { dtypes?: readonly KernelDType[]; maxClasses?: number } = {},
): fc.Arbitrary<Batch> {
  return fc
    .record({ dtype: fc.constantFrom(...dtypes), classes: fc.integer({ min: 1, max: maxClasses }) })
    .chain(({ dtype, classes }) => {
      const row = fc.record({
        logits: fc.array(logit, { minLength: classes, maxLength: classes }),
        label: fc.integer({ min: 0, max: classes - 1 }),
        mask: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 10, noNaN: true })),
      });
      return fc.record({ dtype: fc.constant(dtype), rows: fc.array(row, { minLength: 1, maxLength: 30 }) });
    });
}

const finite = fc.double({ min: -100, max: 100, noNaN: true });
const any = fc.oneof(
  { weight: 40, arbitrary: finite },
  { weight: 1, arbitrary: fc.constantFrom(-Infinity, Infinity, Number.NaN) },
);

/** Small batches that may contain every kind of value. */
export const batches = batchesOf(any);

/** Number of random batches of a property. */
export const RUNS = { numRuns: shareOf(100, 8) };

/** Evaluates a request of tensors, with its fields in the given order. */
export async function evaluate(request: object, evaluator: Evaluator = inline): Promise<Evaluation> {
  const body = packr.pack(request);
  const stream = Readable.from([body]);
  const requestBody = {
    stream,
    codec: msgpackCodec,
    contentEncoding: undefined,
    contentLength: body.byteLength,
  };
  const { answer, release } = await evaluator.evaluate(CROSS_ENTROPY, requestBody);
  release();
  return answer;
}

/** Evaluates a batch on workers, in blocks of a few rows. */
export function evaluateBatch({ dtype, rows }: Batch, options: object = {}): Promise<Evaluation> {
  const logits = rows.map((row) => row.logits);
  const mask = rows.map((row) => row.mask);
  return evaluate(
    {
      options: { outputs: ['per_token_loss'], ...options },
      label: rows.map((row) => row.label),
      input_mask: tensor('float64', [rows.length], mask),
      logits: tensor(dtype, [rows.length, logits[0]!.length], logits.flat()),
    },
    onWorkers,
  );
}

export function tensor(dtype: KernelDType, shape: number[], values: number[]): object {
  return { dtype, shape, data: encode(dtype, values) };
}

/** The elements of an output in float64. */
export function elements(evaluation: Evaluation, name: string): Float64Array {
  const { dtype, shape, data } = evaluation.outputs[name]!;
  if (dtype === 'bfloat16') return decode(dtype, Uint8Array.from(data));
  return Float64Array.from(elementsOf({ dtype, shape, data }), Number);
}
