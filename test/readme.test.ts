import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Evaluation } from '../src/evaluation/report.ts';
import { MSGPACK, Service } from './service.ts';

const service = Service.start({ workers: 2 });

const read = (path: string): Buffer => readFileSync(new URL(`../${path}`, import.meta.url));

test('the README’s curl prints what the README says', async () => {
  const readme = read('README.md').toString();
  const command = /^curl .*@(\S+) http:\/\/127\.0\.0\.1:8080(\S+)$/m.exec(readme);
  expect(command?.slice(1)).toEqual(['examples/char-lm.msgpack', '/v1/cross-entropy']);
  const promised = JSON.parse(/^\{"loss".*$/m.exec(readme)![0]) as Evaluation;
  const { body } = await service.post(read(command![1]!), { type: MSGPACK });
  expect(Object.keys(body)).toEqual(Object.keys(promised));
  // The strict kernel's last bits differ.
  expect(body.loss).toBeCloseTo(promised.loss!, 8);
  expect(body).toMatchObject({
    rows: promised.rows,
    diagnostics: promised.diagnostics,
    denominator: promised.denominator,
  });
});
