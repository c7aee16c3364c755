import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Tests on an S3 server, which they install and start. `npm test` does not run them. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/s3/**/*.s3.ts'],
    globalSetup: ['test/s3/setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default', ['junit', { outputFile: 'test-results/s3.xml' }]],
  },
});
