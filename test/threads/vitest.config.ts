import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Tests of the threads of the service: locks, lost threads, long reads and turns. `npm test` does not run them. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/**/*.threads.ts'],
    // Most tests limit a time.
    fileParallelism: false,
    reporters: ['default', ['junit', { outputFile: 'test-results/threads.xml' }]],
  },
});
