import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/**
 * Work and memory against size, measured on a service in its own process, and on the store of the history. `npm test` does
 * not run these tests.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/**/*.complexity.ts'],
    // Files that run at the same time would disturb each other's measurements.
    fileParallelism: false,
  },
});
