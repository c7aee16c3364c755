import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** The threads of the service: locks, lost threads, long reads and long turns; `npm test` has none of these tests. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/**/*.threads.ts'],
    // Most tests bound a time.
    fileParallelism: false,
    reporters: ['default', ['junit', { outputFile: 'test-results/threads.xml' }]],
  },
});
