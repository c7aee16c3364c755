import type { IncomingMessage, ServerResponse } from 'node:http';
import fp from 'fastify-plugin';
import helmet from 'helmet';

/** Sources from which a page of this service may load: its own files, and images in data URLs. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'self'",
].join('; ');

/**
 * Headers that forbid browsers to load from other origins, to guess media types, and to frame pages of this service in pages
 * of other origins.
 *
 * Headers for obsolete browsers are omitted. So are headers that belong to a proxy with TLS: HSTS, COOP, which browsers ignore
 * over HTTP with a warning, and upgrade-insecure-requests, which would block the scripts of /docs over plain HTTP.
 */
const protect = helmet({
  contentSecurityPolicy: false,
  crossOriginOpenerPolicy: false,
  strictTransportSecurity: false,
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
});

/** Sets the headers, which are computed once. Computing them per answer would take a third of the time of a small request. */
export default fp(
  async (app) => {
    const headers = new Map([['content-security-policy', CONTENT_SECURITY_POLICY]]);
    const recorder = { setHeader: (name: string, value: string) => headers.set(name, value), removeHeader: () => {} };
    protect({} as IncomingMessage, recorder as unknown as ServerResponse, (error) => {
      if (error !== undefined) throw error;
    });
    app.addHook('onRequest', (_request, { raw }, done) => {
      for (const [name, value] of headers) raw.setHeader(name, value);
      done();
    });
  },
  { name: 'security-headers' },
);
