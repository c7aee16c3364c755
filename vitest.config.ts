import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/replies/setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The sources run as they do in service: by Node.js itself, one instance of each module.
    server: { deps: { external: [/\/(src|routes|kernels|openapi|bench)\//] } },
  },
});
