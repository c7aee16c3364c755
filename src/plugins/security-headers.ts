import helmet from '@fastify/helmet';
import fp from 'fastify-plugin';

/** What a page of this service may load: its own files, and pictures in its style sheets. */
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
 * Tells browsers to load nothing from elsewhere, to guess no types and to show no page of this service in another’s.
 *
 * Left out are headers for browsers that are gone, and what is for the proxy to say that speaks TLS: HSTS, COOP, which
 * browsers ignore over HTTP and complain about, and to upgrade requests to HTTPS, which would keep them from the scripts
 * of /docs where there is only HTTP.
 */
export default fp(
  async (app) => {
    await app.register(helmet, {
      // It would be parsed and written anew for each request, which takes longer than all other headers.
      contentSecurityPolicy: false,
      crossOriginOpenerPolicy: false,
      strictTransportSecurity: false,
      originAgentCluster: false,
      xDnsPrefetchControl: false,
      xDownloadOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
    });
    app.addHook('onRequest', (_request, { raw }, done) => {
      raw.setHeader('content-security-policy', CONTENT_SECURITY_POLICY);
      done();
    });
  },
  { name: 'security-headers' },
);
