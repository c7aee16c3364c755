import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Work and memory against size, measured on a service in a process of its own; `npm test` has none of these tests. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/complexity/**/*.complexity.ts'],
    // Two files at a time would measure each other.
    fileParallelism: false,
  },
});
