import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Tests on a PostgreSQL server, which they start. `npm test` runs the tests of the store on SQLite. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/runs/store/*.{test,grid}.ts', 'test/jobs/store.test.ts', 'test/postgres/**/*.postgres.ts'],
    globalSetup: ['test/postgres/setup.ts'],
    reporters: ['default', ['junit', { outputFile: 'test-results/postgres.xml' }]],
  },
});
