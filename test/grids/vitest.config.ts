import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Kernels and statistics over long grids of inputs, against exact arithmetic. `npm test` does not run these tests. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/**/*.grid.ts'],
    maxWorkers: '100%',
    reporters: ['default', ['junit', { outputFile: 'test-results/grids.xml' }]],
  },
});
