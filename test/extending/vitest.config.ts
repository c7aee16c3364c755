import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Additions of docs/extending.md, each in a copy of the tree. The manual of a copy is another: replies are not compared. */
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
