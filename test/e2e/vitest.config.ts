import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Tests that start the service and its commands as processes; `npm test` has none of them. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/**/*.e2e.ts'],
    // Files measure the processes that they start: time, memory, connections.
    fileParallelism: false,
    reporters: ['default', ['junit', { outputFile: 'test-results/e2e.xml' }]],
  },
});
