import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Tests of what happens to the service from outside; `npm test` has none of them. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/faults/**/*.fault.ts'],
    testTimeout: 300_000,
    hookTimeout: 60_000,
    reporters: ['default', ['junit', { outputFile: 'test-results/faults.xml' }]],
  },
});
