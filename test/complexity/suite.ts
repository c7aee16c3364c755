import { afterAll, describe, expect, test } from 'vitest';
import type { ComplexityCase } from './cases/case.ts';
import { Examiner } from './examination.ts';
import type { ExaminerOptions } from './examination.ts';

const CASE_WITHIN_MS = 120_000;

/** Defines a test for each case, and one for the probes that run during all of them. */
export function examineAll(cases: readonly ComplexityCase[], options?: ExaminerOptions): void {
  const examiner = new Examiner(options);
  afterAll(() => examiner[Symbol.asyncDispose]());

  describe.each(Object.entries(Object.groupBy(cases, ({ operation }) => operation)))('%s', (_operation, group) => {
    test.each(group!)('$name', { timeout: CASE_WITHIN_MS }, async (examined) => {
      const faults = await examiner.findFaults(examined);
      expect(faults, faults.join('; ')).toEqual([]);
    });
  });

  test('/livez answered all the while', () => {
    const faults = examiner.livenessFaults();
    expect(faults, faults.join('; ')).toEqual([]);
  });
}
