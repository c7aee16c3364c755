import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';
import { isLoopback } from '../../loopback.ts';
import { showValue } from '../../suggestion.ts';
import { headerLines } from './header-lines.ts';

/**
 * Judges the Host of each request. A service that only this machine can reach, and that asks for no key, is called by a
 * name of this machine: a page whose own name was made to resolve to loopback (DNS rebinding) would be of the same origin.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const { apiKeysFile, socket, host: address, allowedHosts } = config;
    const names = readNames(allowedHosts);
    const isLocal = apiKeysFile === undefined && socket === undefined && isLoopback(address);
    /** The Host that was allowed last: most requests have the same. */
    let known: string | undefined;
    app.addHook('onRequest', ({ raw }, _reply, done) => {
      const lines = headerLines(raw.rawHeaders, 'host').length;
      const { host } = raw.headers;
      if (lines > 1)
        return done(new LossmeterError('bad_request', `the request has ${lines} lines of Host, expected one`));
      if (host === undefined) {
        // HTTP/1.0 has no Host.
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

/** A name or an IPv4 address, or an IPv6 address in brackets, and a port. */
const HOST = /^(?:\[(?<address>[\da-f:.]+)\]|(?<name>[\w.-]+))(?::\d*)?$/i;

/** The name of a Host without its port and the dot at its end; undefined when it is no host. */
function hostName(host: string): string | undefined {
  const { address, name } = HOST.exec(host)?.groups ?? {};
  return address ?? name?.toLowerCase().replace(/\.$/, '');
}

function notAllowed(host: string): LossmeterError {
  const detail = `Host is ${showValue(host)}, expected localhost or an address of loopback: name other hosts in LOSSMETER_ALLOWED_HOSTS`;
  return new LossmeterError('host_not_allowed', detail);
}

/** @throws Error that names what is no host */
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
