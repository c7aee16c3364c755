import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Service } from '../service.ts';

/** A proxy that serves the service below `/loss`. */
export async function startProxy(service: () => Service): Promise<{ url: string; close: () => Promise<void> }> {
  const proxy = createServer((incoming, outgoing) => {
    if (!incoming.url!.startsWith('/loss/')) return outgoing.writeHead(404).end();
    const { method, headers } = incoming;
    const inner = request(service().url + incoming.url!.slice('/loss'.length), { method, headers }, (reply) => {
      outgoing.writeHead(reply.statusCode!, reply.rawHeaders);
      reply.pipe(outgoing);
    });
    inner.on('error', () => outgoing.destroy());
    outgoing.on('close', () => inner.destroy());
    return incoming.pipe(inner);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  const close = async (): Promise<void> => {
    // Event streams do not end by themselves.
    proxy.closeAllConnections();
    await proxy[Symbol.asyncDispose]();
  };
  return { url: `http://127.0.0.1:${port}/loss`, close };
}
