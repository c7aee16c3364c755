import { configDefaults, defineConfig } from 'vitest/config';
import base from '../base.config.ts';

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

/**
 * Tests that start processes: the service, its commands and its builds. `npm test` has none of them. Files run side by
 * side on all cores, then those of ALONE one after the other.
 */
export default defineConfig({
  test: {
    projects: [
      {
        ...base,
        test: {
          ...base.test,
          name: 'side by side',
          include: ['test/**/*.e2e.ts'],
          exclude: [...configDefaults.exclude, ...ALONE],
          maxWorkers: '100%',
        },
      },
      {
        ...base,
        test: { ...base.test, name: 'alone', include: ALONE, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
    reporters: ['default', ['junit', { outputFile: 'test-results/e2e.xml' }]],
  },
});
