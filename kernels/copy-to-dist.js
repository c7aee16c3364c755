// Copies files into dist/ that the TypeScript compiler does not write: the kernels, TypeBox as one module, the
// dashboard, the guide if it is built, and the JavaScript entry point.
import { cpSync, existsSync } from 'node:fs';

const root = new URL('..', import.meta.url);
for (const path of ['kernels/build', 'vendor/dist', 'dashboard/dist', 'guide/dist', 'src/cli/bin.js']) {
  if (path === 'guide/dist' && !existsSync(new URL(path, root))) continue;
  const filter = (source) => !source.endsWith('.sha256');
  cpSync(new URL(path, root), new URL(`dist/${path}`, root), { recursive: true, filter });
}
