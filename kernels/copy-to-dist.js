// Copies files into dist/ that the TypeScript compiler does not write: the kernels, the dashboard and the JavaScript
// entry point.
import { cpSync } from 'node:fs';

const root = new URL('..', import.meta.url);
for (const path of ['kernels/build', 'dashboard/dist', 'src/cli/bin.js']) {
  cpSync(new URL(path, root), new URL(`dist/${path}`, root), { recursive: true });
}
