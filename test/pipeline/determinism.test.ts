import { Readable } from 'node:stream';
import { Packr } from 'msgpackr';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/environment.ts';
import { CROSS_ENTROPY } from '../../src/evaluations/cross-entropy/cross-entropy.ts';
import { Evaluator } from '../../src/pipeline/evaluator.ts';
import type { Evaluation } from '../../src/contract/cross-entropy.ts';
import { KernelPool } from '../../src/engine/pool.ts';
import { msgpackCodec } from '../../src/wire/msgpack/codec.ts';
import { FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { partOf } from '../lists.ts';
import { ROWS, encode, seededRandom } from '../rows.ts';

const LIMITS = {
  ...loadConfig({ LOSSMETER_STORE: ':memory:' }),
  maxBodyBytes: 2 ** 40,
  maxJsonBytes: 2 ** 26,
  maxHeldBytes: 2 ** 28,
};
const packr = new Packr({ useRecords: false, variableMapSize: true });
const pools = new Map<string, KernelPool>();

afterAll(() => Promise.all([...pools.values()].map((pool) => pool.close())));

/** An evaluator. Tests with the same settings share its pool. */
function evaluator(workers: number, slabBytes: number, inlineLogits = 0): Evaluator {
  const options = {
    workers,
    kernel: 'auto',
    slabBytes,
    maxRowBytes: 2 ** 26,
    maxSlabBytes: 2 ** 28,
    inlineLogits,
  } as const;
  const key = JSON.stringify(options);
  const pool = pools.get(key) ?? new KernelPool(options);
  pools.set(key, pool);
  return new Evaluator(pool, LIMITS);
}

/** A batch with every kind of row. Its masks are fractions, and 0 for some rows, which are left out. */
function makeBody(dtype: FloatDType, rows: number, classes: number): Uint8Array {
  const random = seededRandom(rows * classes);
  const makers = Object.values(ROWS);
  const label = Array.from({ length: rows }, () => Math.floor(classes * random()));
  const logits = label.flatMap((y, row) => makers[row % makers.length]!(classes, y, random));
  const mask = label.map((_y, row) => (row % 7 === 3 ? 0 : random()));
  return packr.pack({
    options: { outputs: ['per_token_loss'], ignore_index: [label[4]] },
    label: { dtype: 'int32', shape: [rows], data: new Uint8Array(Int32Array.from(label).buffer) },
    input_mask: { dtype: 'float64', shape: [rows], data: new Uint8Array(Float64Array.from(mask).buffer) },
    logits: { dtype, shape: [rows, classes], data: encode(dtype, logits) },
  });
}

function* chunksOf(body: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += size) yield body.subarray(at, at + size);
}

async function evaluate(evaluator: Evaluator, body: Uint8Array, chunkBytes: number): Promise<Evaluation> {
  const stream = Readable.from(chunksOf(body, chunkBytes));
  const requestBody = { stream, codec: msgpackCodec, contentEncoding: undefined, contentLength: undefined };
  const { answer, release } = await evaluator.evaluate(CROSS_ENTROPY, requestBody);
  release();
  return answer;
}

/** All bits of an answer. toEqual does not distinguish 0 from −0. */
function bitsOf(evaluation: Evaluation): unknown {
  const bits = [evaluation.loss!, evaluation.numerator, evaluation.denominator, evaluation.mean_nll];
  const rows = Buffer.from(evaluation.outputs['per_token_loss']!.data);
  return {
    bits: Buffer.from(Float64Array.from(bits).buffer),
    rows,
    diagnostics: evaluation.diagnostics,
    counts: evaluation.rows,
  };
}

describe.each(partOf(FLOAT_DTYPES, 3))('the bits of a %s batch', (dtype) => {
  const ROW_COUNT = 97;
  const CLASSES = 331;
  const body = makeBody(dtype, ROW_COUNT, CLASSES);
  const reference = evaluator(1, 2 ** 21);

  test.each(partOf([2, 1, 4], 3))('do not depend on %i workers, nor on the size of slabs', async (workers) => {
    const expected = bitsOf(await evaluate(reference, body, 65_536));
    for (const rowsPerSlab of partOf([1, 2, 10, 50, ROW_COUNT, 10 * ROW_COUNT], 2)) {
      const slabBytes = rowsPerSlab * CLASSES * 8;
      expect(
        bitsOf(await evaluate(evaluator(workers, slabBytes), body, 65_536)),
        `${rowsPerSlab} rows per slab`,
      ).toEqual(expected);
    }
  });

  test('do not depend on the chunks in which the body comes', async () => {
    const expected = bitsOf(await evaluate(reference, body, 65_536));
    const split = evaluator(2, 10 * CLASSES * 8);
    for (const chunkBytes of [1, 3, 4096, 65_537, 2 ** 20]) {
      expect(bitsOf(await evaluate(split, body, chunkBytes)), `chunks of ${chunkBytes}`).toEqual(expected);
    }
  });

  test('are the same on the main thread', async () => {
    const inline = evaluator(1, 2 ** 21, ROW_COUNT * CLASSES);
    expect(bitsOf(await evaluate(inline, body, 65_536))).toEqual(bitsOf(await evaluate(reference, body, 65_536)));
  });

  test('are the same when batches are evaluated at the same time', async () => {
    const expected = bitsOf(await evaluate(reference, body, 65_536));
    const shared = evaluator(2, 3 * CLASSES * 8);
    const all = await Promise.all(Array.from({ length: 6 }, (_, k) => evaluate(shared, body, 1000 + k)));
    for (const evaluation of all) expect(bitsOf(evaluation)).toEqual(expected);
  });
});

test('a row larger than a slab gets one of its own', async () => {
  const body = makeBody('float32', 5, 5000);
  const small = evaluator(2, 64);
  expect(bitsOf(await evaluate(small, body, 10_000))).toEqual(
    bitsOf(await evaluate(evaluator(1, 2 ** 21), body, 10_000)),
  );
});
