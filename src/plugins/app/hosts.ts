import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';
import { isLoopback } from '../../loopback.ts';
import { showValue } from '../../suggestion.ts';
import { headerLines } from './header-lines.ts';

/**
 * Checks the Host of each request. A service on loopback without keys accepts only names of this machine and the names in
 * LOSSMETER_ALLOWED_HOSTS. This prevents DNS rebinding: a page whose name resolves to loopback would have the same origin as
 * the service.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const { apiKeysFile, socket, host: address, allowedHosts } = config;
    const names = readNames(allowedHosts);
    const isLocal = apiKeysFile === undefined && socket === undefined && isLoopback(address);
    /** Last allowed Host, which most requests repeat. */
    let known: string | undefined;
    app.addHook('onRequest', ({ raw }, _reply, done) => {
      const lines = headerLines(raw.rawHeaders, 'host').length;
      const { host } = raw.headers;
      if (lines > 1)
        return done(new LossmeterError('bad_request', `the request has ${lines} lines of Host, expected one`));
      if (host === undefined) {
        // HTTP/1.0 does not require Host.
        if (raw.httpVersion !== '1.1') return done();
        return done(new LossmeterError('bad_request', 'the request has no Host, which HTTP/1.1 requires'));
      }
      if (!isLocal || host === known) return done();
      const name = hostName(host);
      if (name === undefined || !(isLoopback(name) || names.has(name))) return done(notAllowed(host));
      known = host;
      done();
    });
  },
  { name: 'hosts' },
);

/** Name, IPv4 address or IPv6 address in brackets, with an optional port. */
const HOST = /^(?:\[(?<address>[\da-f:.]+)\]|(?<name>[\w.-]+))(?::\d*)?$/i;

/** Returns the name or address in a Host, without the port and a final dot; undefined for an invalid host. */
function hostName(host: string): string | undefined {
  const { address, name } = HOST.exec(host)?.groups ?? {};
  return address ?? name?.toLowerCase().replace(/\.$/, '');
}

function notAllowed(host: string): LossmeterError {
  const detail = `Host is ${showValue(host)}, expected localhost or an address of loopback: name other hosts in LOSSMETER_ALLOWED_HOSTS`;
  return new LossmeterError('host_not_allowed', detail);
}

/** @throws Error that names the invalid host */
function readNames(text: string | undefined): ReadonlySet<string> {
  const parts = text?.split(',').map((part) => part.trim()) ?? [];
  return new Set(
    parts.map((part) => {
      const name = /:\d*$/.test(part) && !part.startsWith('[') ? undefined : hostName(part);
      if (name !== undefined) return name;
      throw new Error(
        `LOSSMETER_ALLOWED_HOSTS has ${JSON.stringify(part)}, expected names of hosts such as gpu-1.example.org, without a port`,
      );
    }),
  );
}
