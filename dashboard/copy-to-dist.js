// Puts the built page into the package, where the compiled service looks for it.
import { cpSync } from 'node:fs';

cpSync(new URL('dist', import.meta.url), new URL('../dist/dashboard/dist', import.meta.url), { recursive: true });
