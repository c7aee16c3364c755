import { defineConfig } from 'vite';

export default defineConfig({
  build: { ssr: 'typebox.ts', outDir: 'build', target: 'node24', emptyOutDir: true },
  ssr: { noExternal: true },
});
