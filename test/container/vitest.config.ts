import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Tests of the container's image. `npm test` does not run them. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/container/**/*.container.ts'],
    setupFiles: ['test/replies/setup.ts', 'test/container/setup.ts'],
    reporters: ['default', ['junit', { outputFile: 'test-results/container.xml' }]],
  },
});
