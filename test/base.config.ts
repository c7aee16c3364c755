/** Settings that all suites share. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import type { TestProjectInlineConfiguration } from 'vitest/config';

// Processes and threads of the tests load the same sources again and again: Node.js keeps what it compiled, in the folder
// that the service itself uses.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');

const base = defineConfig({
  test: {
    setupFiles: ['test/replies/setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The sources run as they do in service: by Node.js itself, one instance of each module. So does the record of
    // replies, of which a process has one.
    server: { deps: { external: [/\/(src|routes|kernels|openapi|bench)\//, /\/test\/replies\/record\.ts$/] } },
  },
});

export default base;

/**
 * Projects of a suite whose files run side by side, on all cores.
 * @param alone paths of files that run one after the other when those have ended
 */
export function sideBySide(include: string, alone: readonly string[]): TestProjectInlineConfiguration[] {
  return [
    {
      ...base,
      test: {
        ...base.test,
        name: 'side by side',
        include: [include],
        exclude: [...configDefaults.exclude, ...alone],
        maxWorkers: '100%',
      },
    },
    {
      ...base,
      test: { ...base.test, name: 'alone', include: [...alone], fileParallelism: false, sequence: { groupOrder: 1 } },
    },
  ];
}
