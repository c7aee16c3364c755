import type { IncomingMessage, ServerResponse } from 'node:http';
import fp from 'fastify-plugin';
import helmet from 'helmet';

/** Sources that a page of this service may load: its own files, and pictures in its style sheets. */
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
 * Headers that tell browsers to load nothing from elsewhere, to guess no types and to show no page of this service in
 * another's.
 *
 * Left out are headers for browsers that are gone, and what is for the proxy to say that speaks TLS: HSTS, COOP, which
 * browsers ignore over HTTP and complain about, and to upgrade requests to HTTPS, which would keep them from the scripts
 * of /docs where there is only HTTP.
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

/** They are the same for every answer, and made once: made anew for each they take a third of a small request's time. */
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
