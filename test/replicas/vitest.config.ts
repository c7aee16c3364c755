import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Tests of replicas behind real load balancers on a real database. `npm test` does not run them. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/replicas/**/*.replicas.ts'],
    reporters: ['default', ['junit', { outputFile: 'test-results/replicas.xml' }]],
  },
});
