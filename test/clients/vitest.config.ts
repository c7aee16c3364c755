import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** HTTP clients of others, as they are, against the service; `npm test` has none of these tests. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/clients/**/*.clients.ts'],
    // An environment of Python may have to be made first.
    hookTimeout: 600_000,
    testTimeout: 120_000,
    reporters: ['default', ['junit', { outputFile: 'test-results/clients.xml' }]],
  },
});
