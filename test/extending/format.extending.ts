import { expect, test } from 'vitest';
import { extend } from './addition.ts';
import { softmax } from './expected.ts';

const service = extend('A wire format');

const CSV = { headers: { 'content-type': 'text/csv' } };
const TEXT = '2,1,2,3\n0, 0.5, 0.25, -Infinity\r\n1,1e1,-2,0';
const ROWS = [
  [2, [1, 2, 3]],
  [0, [0.5, 0.25, -Infinity]],
  [1, [10, -2, 0]],
] as const;
const LOSS = ROWS.reduce((sum, [y, row]) => sum - Math.log(softmax(row)[y]!), 0) / 3;

test('a batch is read from it', async () => {
  const { status, body } = await service.post<{ loss: number; rows: object }>(TEXT, CSV);
  expect(status).toBe(200);
  expect(body.loss).toBeCloseTo(LOSS, 6);
  expect(body.rows).toMatchObject({ total: 3, counted: 3 });
});

test('an answer is written in it', async () => {
  const { status, type, text } = await service.post(TEXT, { headers: { ...CSV.headers, accept: 'text/csv' } });
  expect([status, type]).toEqual([200, expect.stringMatching(/^text\/csv/)]);
  const values = new Map(
    text
      .trim()
      .split('\n')
      .map((line) => [line.split(',')[0], line.slice(line.indexOf(',') + 1)]),
  );
  expect(Number(values.get('loss'))).toBeCloseTo(LOSS, 6);
  expect(values.get('rows.counted')).toBe('3');
  expect(values.get('diagnostics.verdict')).toBe('"finite"');
});

test('tensors of an answer have a line for each element', async () => {
  const body = { logits: [[1, 2, 3]], label: [2], options: { outputs: ['predictions'] } };
  const { text } = await service.post(body, { headers: { accept: 'text/csv' } });
  expect(text).toContain('\noutputs.predictions.0,2\n');
});

test.each([
  ['0,1,x\n', 'row 0 has "x", expected a number'],
  ['0,1,\n', 'row 0 has "", expected a number'],
  ['0,1,2\n1,3\n', 'row 1 has 2 numbers, expected 3, as in row 0'],
  [`0,1,${'0'.repeat(65)}`, 'row 0 has'],
  ['', 'logits have shape (0, 0)'],
])('%j is rejected', async (text, detail) => {
  const { status, body } = await service.post<{ detail: string }>(text, CSV);
  expect([400, 422]).toContain(status);
  expect(body.detail).toContain(detail);
});

test('the manual has its bodies', async () => {
  const operation = ['paths', '/v1/cross-entropy', 'post'];
  expect(await service.document(...operation, 'requestBody', 'content')).toHaveProperty(
    ['text/csv', 'schema', '$ref'],
    '#/components/schemas/CsvBatch',
  );
  expect(await service.document(...operation, 'responses', '200', 'content')).toHaveProperty(['text/csv']);
});
