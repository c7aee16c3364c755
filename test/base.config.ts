/** Settings that all suites share. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Processes and threads of the tests load the same sources again and again: Node.js keeps what it compiled, in the folder
// that the service itself uses.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');

export default defineConfig({
  test: {
    setupFiles: ['test/replies/setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The sources run as they do in service: by Node.js itself, one instance of each module. So does the record of
    // replies, of which a process has one.
    server: { deps: { external: [/\/(src|routes|kernels|openapi|bench)\//, /\/test\/replies\/record\.ts$/] } },
  },
});
