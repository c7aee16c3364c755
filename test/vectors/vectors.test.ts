import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { elementsOf } from '../../src/tensor/tensor.ts';
import { encode } from '../rows.ts';
import { MSGPACK, Service } from '../service.ts';

const service = Service.start();

/**
 * null stands for the target rank of a row that is not counted, −1 in answers; and for predictions and ranks that
 * PyTorch and Lossmeter define differently, those of rows with a NaN.
 */
type Nested = number | string | null | Nested[];

interface Vector {
  name: string;
  dtype: FloatDType;
  logits: Nested[];
  label: Nested[];
  input_mask?: Nested[];
  weight?: Nested[];
  options: Record<string, unknown>;
  expected: Record<string, Nested>;
}

const FILES = ['indices', 'probabilities', 'profiles', 'shift', 'z_softcap_scale'];
const OUTPUTS = ['per_token_loss', 'lse', 'gradient', 'predictions', 'target_rank', 'entropy'];

function read(file: string): Vector[] {
  return JSON.parse(readFileSync(new URL(`${file}.json`, import.meta.url), 'utf8')) as Vector[];
}

const flatten = (nested: Nested): number[] =>
  Array.isArray(nested) ? nested.flatMap(flatten) : [nested === null ? -1 : Number(nested)];

function shapeOf(nested: Nested): number[] {
  return Array.isArray(nested) ? [nested.length, ...shapeOf(nested[0] ?? 0)] : [];
}

/** Whether a number is within `bound`, relative to the larger of `scale` and what is expected. */
function close(actual: number, expected: number, bound: number, scale = 1): boolean {
  if (!Number.isFinite(expected)) return Object.is(actual, expected);
  return Math.abs(actual - expected) <= bound * Math.max(scale, Math.abs(expected));
}

describe.each(FILES)('%s.json', (file) => {
  const vectors = read(file);

  test('has vectors', () => expect(vectors.length).toBeGreaterThan(5));

  test.each(vectors.map((vector) => [vector.name, vector] as const))('%s', async (_name, vector) => {
    const { dtype, expected, label, input_mask, weight } = vector;
    const outputs = OUTPUTS.filter((name) => Object.hasOwn(expected, name));
    const shape = shapeOf(vector.logits);
    const float64 = (values: Nested[]): unknown => ({
      dtype: 'float64',
      shape: shapeOf(values),
      data: flatten(values),
    });
    const { status, body } = await service.post(
      {
        label:
          shapeOf(label).length === shape.length
            ? float64(label)
            : { dtype: 'int64', shape: shapeOf(label), data: flatten(label) },
        ...(input_mask && { input_mask: float64(input_mask) }),
        ...(weight && { weight: float64(weight) }),
        options: {
          ...vector.options,
          outputs,
          check_for_nan_in_loss_and_grad: true,
          ...(dtype !== 'float64' && { gradient_dtype: 'float32' }),
        },
        logits: { dtype, shape, data: encode(dtype, flatten(vector.logits)) },
      },
      { type: MSGPACK, headers: { accept: MSGPACK } },
    );
    expect(status, JSON.stringify(body)).toBe(200);
    const bound = dtype === 'float64' ? 1e-12 : 1e-6;
    const answer = body as unknown as Record<string, number>;
    for (const name of ['loss', 'numerator', 'denominator', 'z_loss']) {
      if (!Object.hasOwn(expected, name)) continue;
      const wanted = Number(expected[name]);
      expect(close(answer[name]!, wanted, bound), `${name}: ${answer[name]}, expected ${wanted}`).toBe(true);
    }
    const norm = body.diagnostics.gradient!.norm;
    const wantedNorm = Number(expected['gradient_norm']);
    expect(close(norm, wantedNorm, bound, wantedNorm), `norm ${norm}, expected ${wantedNorm}`).toBe(true);
    const hasNaN = flatten(expected['lse'] ?? []).map(Number.isNaN);
    for (const name of outputs) {
      const got = Array.from(elementsOf(body.outputs[name]!), Number);
      const wanted = flatten(expected[name]!);
      // A gradient's elements are far below 1: their errors are held against the largest of them.
      const scale = name === 'gradient' ? wanted.reduce((top, g) => (Math.abs(g) > top ? Math.abs(g) : top), 0) : 1;
      const wrong = wanted.flatMap((value, row) =>
        close(got[row]!, value, bound, scale) || (value === -1 && hasNaN[row] === true)
          ? []
          : [{ row, value, got: got[row] }],
      );
      expect(wrong, name).toEqual([]);
      expect(got.length).toBe(wanted.length);
    }
  });
});
