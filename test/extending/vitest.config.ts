import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Additions of docs/extending.md, each in a copy of the tree. Replies are not compared: a copy has another manual. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/extending/**/*.extending.ts'],
    setupFiles: [],
    hookTimeout: 600_000,
    maxWorkers: '100%',
    reporters: ['default', ['junit', { outputFile: 'test-results/extending.xml' }]],
  },
});
