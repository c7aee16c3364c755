import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/**
 * Unmodified third-party trainers, and the dashboard in a real browser. `npm test` does not run these tests. The suite
 * requires python3 and Chromium.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/trainers/**/*.trainers.ts'],
    // The first run creates a Python environment.
    hookTimeout: 900_000,
    testTimeout: 300_000,
  },
});
