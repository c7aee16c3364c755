import { defineConfig } from 'vite';

export default defineConfig({
  // Relative, so that a proxy may serve the page below any path.
  base: './',
  build: {
    target: 'es2022',
    // The service's Content-Security-Policy allows `data:` URLs for images only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    emptyOutDir: true,
  },
  // For development with `vite dashboard`, beside a service on its default port.
  server: { proxy: { '/v1': 'http://127.0.0.1:8080' } },
});
