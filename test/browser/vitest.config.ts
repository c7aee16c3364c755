import { defineConfig } from 'vitest/config';
import base from '../base.config.ts';

/** Tests in a real browser; `npm test` has none of them. CHROMIUM names the browser, /usr/bin/chromium without. */
export default defineConfig({ ...base, test: { ...base.test, include: ['test/browser/**/*.browser.ts'] } });
