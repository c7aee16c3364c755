import { describe, expect, test } from 'vitest';
import { elementsOf } from '../../src/tensor/tensor.ts';
import { partOf } from '../lists.ts';
import { MSGPACK, Service } from '../service.ts';
import { FILES, flatten, outputsOf, readVectors, requestOf, scaleOf } from './read.ts';

const service = Service.shared();

/** True for an error within `bound`, relative to the larger of `scale` and the expected value. */
function close(actual: number, expected: number, bound: number, scale = 1): boolean {
  if (!Number.isFinite(expected)) return Object.is(actual, expected);
  return Math.abs(actual - expected) <= bound * Math.max(scale, Math.abs(expected));
}

describe.each(FILES)('%s.json', (file) => {
  const vectors = readVectors(file);

  test('has vectors', () => expect(vectors.length).toBeGreaterThan(5));

  test.each(partOf(vectors, 5).map((vector) => [vector.name, vector] as const))('%s', async (_name, vector) => {
    const { dtype, expected } = vector;
    const outputs = outputsOf(vector);
    const { status, body } = await service.post(requestOf(vector), { type: MSGPACK, headers: { accept: MSGPACK } });
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
      const scale = scaleOf(name, wanted);
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
