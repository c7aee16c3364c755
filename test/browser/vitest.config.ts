import { defineConfig } from 'vitest/config';
import { sideBySide } from '../base.config.ts';

/** Files that time what a page takes. */
const ALONE = ['test/browser/large-history.browser.ts'];

/** Tests in a real browser; `npm test` has none of them. CHROMIUM names the browser, /usr/bin/chromium without. */
export default defineConfig({ test: { projects: sideBySide('test/browser/**/*.browser.ts', ALONE) } });
