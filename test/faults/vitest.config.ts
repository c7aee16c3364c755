import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Tests of faults in the environment of the service. `npm test` does not run them. */
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
