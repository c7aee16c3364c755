import { expect, test } from 'vitest';
import { extend } from './addition.ts';

const service = extend('A dtype');

/** Value of bits with 3 bits of exponent, biased by 3, and 4 of mantissa. */
function valueOf(bits: number): number {
  const [sign, exponent, mantissa] = [bits >> 7 ? -1 : 1, (bits >> 4) & 7, bits & 15];
  if (exponent === 7) return mantissa === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -6 : sign * (1 + mantissa / 16) * 2 ** (exponent - 3);
}

const ALL = Array.from({ length: 256 }, (_, bits) => bits);
const dtype = 'float8_e3m4';
const tensor = (bits: number[], classes: number) => ({
  dtype,
  shape: [bits.length / classes, classes],
  data: Buffer.from(bits).toString('base64'),
});

test('each finite value is read exactly', async () => {
  const finite = ALL.filter((bits) => Number.isFinite(valueOf(bits)));
  // The second class is 0: the lse of a row is log(1 + exp x), which determines x.
  const logits = tensor(
    finite.flatMap((bits) => [bits, 0]),
    2,
  );
  const options = { outputs: ['lse', 'gradient'] };
  const { status, body } = await service.post<{
    outputs: Record<string, { dtype: string; data: number[] }>;
    kernel: string;
  }>({
    logits,
    label: finite.map(() => 0),
    options,
  });
  expect(status).toBe(200);
  expect(finite).toHaveLength(224);
  for (const [row, bits] of finite.entries()) {
    const x = valueOf(bits);
    expect(body.outputs['lse']!.data[row]).toBeCloseTo(Math.log1p(Math.exp(x)), 6);
    expect(body.outputs['gradient']!.data[2 * row]).toBeCloseTo(-1 / (1 + Math.exp(x)) / 224, 8);
  }
  expect(body.outputs['gradient']!.dtype).toBe('float32');
  expect(body.kernel).toMatch(/^f8e3m4-/);
});

test('numbers are rounded to it, and values beyond its range are reported', async () => {
  const { body } = await service.post<{ diagnostics: object }>({
    logits: { dtype, data: [[1.03, 100, -100]] },
    label: [0],
    options: { max_locations: 2 },
  });
  expect(body.diagnostics).toMatchObject({
    logits: { pos_inf: 1, neg_inf: 1, max: 1 },
    locations: [{ column: 1, value: 'Infinity' }, { column: 2 }],
    float8: { hint: expect.stringContaining(dtype) as unknown },
  });
});

test('its infinities and NaN are counted in a diagnosis', async () => {
  const { body } = await service.post({ logits: tensor(ALL, 256) }, { path: '/v1/diagnose' });
  expect(body).toMatchObject({
    dtype,
    values: { nan: 30, pos_inf: 1, neg_inf: 1, min: -15.5, max: 15.5, subnormal: 30, zero: 2 },
  });
});

test('the manual has it', async () => {
  for (const schema of ['DType', 'FloatDType']) {
    expect(await service.document('components', 'schemas', schema, 'enum')).toContain(dtype);
  }
});
