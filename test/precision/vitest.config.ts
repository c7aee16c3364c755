import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/**
 * 5,000 random requests, and 250 that are the same in every run, against 60-digit arithmetic. The names of the tests
 * contain the seed. PRECISION_SEED and PRECISION_REQUESTS set the seed and the number of the random requests.
 */
export default defineConfig({ ...base, test: { ...base.test, include: ['test/precision/**/*.precision.ts'] } });
