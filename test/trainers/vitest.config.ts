import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/**
 * Trainers of others, as they are, and the dashboard in a real browser; `npm test` has none of these tests. The suite
 * takes python3 and Chromium.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/trainers/**/*.trainers.ts'],
    // An environment of Python may have to be made first.
    hookTimeout: 900_000,
    testTimeout: 300_000,
  },
});
