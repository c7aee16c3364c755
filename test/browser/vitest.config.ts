import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/**
 * Tests in a real browser, which `npm test` does not run. CHROMIUM is the path of the browser; default /usr/bin/chromium.
 * The files run one after the other, because a browser uses several cores and some tests bound the time of a page.
 */
export default defineConfig({
  ...base,
  test: { ...base.test, include: ['test/browser/**/*.browser.ts'], fileParallelism: false },
});
