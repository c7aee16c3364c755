import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Unmodified third-party HTTP clients against the service. `npm test` does not run these tests. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/clients/**/*.clients.ts'],
    // The first run creates a Python environment.
    hookTimeout: 600_000,
    testTimeout: 120_000,
    reporters: ['default', ['junit', { outputFile: 'test-results/clients.xml' }]],
  },
});
