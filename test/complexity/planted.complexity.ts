/** Checks that faults planted into the service are found, and that an unmodified service has none. */
import { expect, test } from 'vitest';
import { classesOf } from './cases/batches.ts';
import type { ComplexityCase } from './cases/case.ts';
import { Examiner } from './examination.ts';
import { WRITERS } from '../request-bodies.ts';

/** 1 to 8 MB that workers evaluate. */
const EVALUATION: ComplexityCase = {
  name: 'classes',
  operation: 'POST /v1/cross-entropy',
  answers: [200],
  request: (size) => {
    const { label, logits } = classesOf(size * 62_500, {});
    return { body: WRITERS.msgpack({ label, logits }) };
  },
};

const BYTES_IN_FLIGHT = 2 ** 26;

async function faultsWith(...planted: string[]): Promise<string> {
  const imports = planted.map((name) => new URL(`./planted/${name}.ts`, import.meta.url));
  await using examiner = new Examiner({ imports, bytesInFlight: BYTES_IN_FLIGHT });
  return (await examiner.findFaults(EVALUATION)).join('; ');
}

test('the service as it is has no fault', { timeout: 60_000 }, async () => {
  expect(await faultsWith()).toBe('');
});

test.each([
  ['quadratic-search', /processorTime grows with the power (?:1\.[5-9]|2)/],
  ['unaccounted-array', /\d+ at 8× MB resident/],
  ['long-turn', /2\d\d at 1×.* ms of the main thread in one turn/],
])('%s shows', { timeout: 60_000 }, async (planted, fault) => {
  expect(await faultsWith(planted)).toMatch(fault);
});
