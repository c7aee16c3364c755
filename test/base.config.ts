/** Settings that all suites share. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Processes and threads of the tests load the same sources many times: Node.js caches the compiled code, in the folder
// that the service itself uses.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');

export default defineConfig({
  test: {
    setupFiles: ['test/replies/setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    provide: { lists: 'whole' },
    // Node.js itself loads the sources, as in production: one instance of each module. It also loads the record of
    // replies and the services of tests, because a process must have one instance of them.
    server: {
      deps: { external: [/\/(src|routes|kernels|openapi|bench)\//, /\/test\/(replies\/record|app)\.ts$/] },
    },
  },
});
