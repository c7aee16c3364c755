import { defineConfig } from 'vite';

export default defineConfig({
  // Relative, so that a proxy may serve the page below a path of its own.
  base: './',
  build: {
    target: 'es2022',
    // The service's headers forbid what stands in the page itself.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    emptyOutDir: true,
  },
  // `vite dashboard` for work on the page, beside a service on its default port.
  server: { proxy: { '/v1': 'http://127.0.0.1:8080' } },
});
