import { defineConfig } from 'vitest/config';
import { sideBySide } from '../base.config.ts';

/** Files that bound times, or run `npm` in the checkout, which builds parts of it. */
const ALONE = [
  'test/docs/commands.e2e.ts',
  'test/e2e/compressed-load.e2e.ts',
  'test/e2e/history-load.e2e.ts',
  'test/e2e/jobs.e2e.ts',
  'test/e2e/npm.e2e.ts',
  'test/e2e/package.e2e.ts',
  'test/e2e/slow-clients.e2e.ts',
  'test/tracing/export.e2e.ts',
];

/** Tests that start the service and its commands as processes. `npm test` does not run them. */
export default defineConfig({
  test: {
    projects: sideBySide('test/**/*.e2e.ts', ALONE),
    reporters: ['default', ['junit', { outputFile: 'test-results/e2e.xml' }]],
  },
});
