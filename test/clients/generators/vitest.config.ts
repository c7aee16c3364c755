import { defineConfig } from 'vitest/config';
import base from '../../base.config.ts';

/** Third-party code generators on the OpenAPI document. `npm test` does not run these tests. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/clients/generators/**/*.generators.ts'],
    // The generators may have to be installed first.
    hookTimeout: 600_000,
    testTimeout: 300_000,
    reporters: ['default', ['junit', { outputFile: 'test-results/generators.xml' }]],
  },
});
