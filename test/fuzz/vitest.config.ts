import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/**
 * Random requests to a service in its own process. `npm test` does not run these tests. FUZZ_SEED repeats a run.
 * FUZZ_BODIES and FUZZ_SEQUENCES are the numbers of bodies and sequences. FUZZ_SECONDS limits the time of a test.
 */
export default defineConfig({
  ...base,
  test: { ...base.test, hookTimeout: 60_000, include: ['test/fuzz/**/*.fuzz.ts'], fileParallelism: false },
});
