/** Reports request bodies to a planted fault. The other modules of this folder are preloaded into the service. */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

/** Calls a function for each request when its body has arrived. */
export function onBody(act: (bytes: number) => void): void {
  subscribe('http.server.request.start', (message) => {
    const { request } = message as { request: IncomingMessage };
    const bytes = Number(request.headers['content-length'] ?? 0);
    if (request.method === 'POST') request.once('end', () => act(bytes));
  });
}
