import { defineConfig } from 'vite';

export default defineConfig({
  build: { ssr: 'typebox.ts', target: 'node24', emptyOutDir: true },
  ssr: { noExternal: true },
});
