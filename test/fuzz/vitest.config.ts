import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/**
 * Random requests to a service in a process of its own; `npm test` has none of these tests. FUZZ_SEED repeats a run,
 * FUZZ_BODIES and FUZZ_SEQUENCES say how many bodies and sequences there are, FUZZ_SECONDS when a test ends before.
 */
export default defineConfig({
  ...base,
  test: { ...base.test, hookTimeout: 60_000, include: ['test/fuzz/**/*.fuzz.ts'], fileParallelism: false },
});
