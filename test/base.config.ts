/** Settings that all suites share. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import type { TestProjectInlineConfiguration } from 'vitest/config';

// Processes and threads of the tests load the same sources many times: Node.js caches the compiled code, in the folder
// that the service itself uses.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');

const base = defineConfig({
  test: {
    setupFiles: ['test/replies/setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Node.js itself loads the sources, as in production: one instance of each module. It also loads the record of
    // replies, because a process must have one instance of it.
    server: { deps: { external: [/\/(src|routes|kernels|openapi|bench)\//, /\/test\/replies\/record\.ts$/] } },
  },
});

export default base;

/**
 * Projects of a suite whose files run side by side, on all cores.
 * @param alone paths of files that run one after the other, after the files that run side by side
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
