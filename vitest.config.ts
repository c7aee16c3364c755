import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import base from './test/base.config.ts';

/** The tests of `npm test`: those that are quick, and that others beside them do not disturb. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/**/*.test.ts'],
    provide: { lists: 'part' },
    // Tests wait now and then: more processes than cores keep the cores busy.
    maxWorkers: Math.ceil(1.5 * availableParallelism()),
    // A process runs one file after the other: loading the service takes longer than most files.
    isolate: false,
  },
});
