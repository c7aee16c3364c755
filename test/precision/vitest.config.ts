import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/**
 * 5,000 random requests against 60-digit arithmetic. The seed is in the names of the tests: PRECISION_SEED repeats it,
 * PRECISION_REQUESTS says how many.
 */
export default defineConfig({ ...base, test: { ...base.test, include: ['test/precision/**/*.precision.ts'] } });
