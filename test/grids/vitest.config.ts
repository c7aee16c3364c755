import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Test files of `npm test` that take a part of their lists there. */
const LISTS = globSync('test/**/*.test.ts', { cwd: ROOT }).filter((path) =>
  readFileSync(ROOT + path, 'utf8').includes("/lists.ts'"),
);

/** Tests over long lists of inputs: those of `npm test` with whole lists, and those that it does not have. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/**/*.grid.ts', ...LISTS],
    maxWorkers: '100%',
    reporters: ['default', ['junit', { outputFile: 'test-results/grids.xml' }]],
  },
});
