import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Tests of the Helm chart. `npm test` does not run them. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/helm/**/*.helm.ts'],
    globalSetup: ['test/helm/prepare.ts'],
    // A hook renders hundreds of combinations.
    hookTimeout: 600_000,
    reporters: ['default', ['junit', { outputFile: 'test-results/helm.xml' }]],
  },
});
