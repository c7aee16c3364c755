/** Shows the bodies of requests to a planted fault. The modules beside this one run in the process of the service, before it. */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

/** Runs something for each request, when its body has come. */
export function onBody(act: (bytes: number) => void): void {
  subscribe('http.server.request.start', (message) => {
    const { request } = message as { request: IncomingMessage };
    const bytes = Number(request.headers['content-length'] ?? 0);
    if (request.method === 'POST') request.once('end', () => act(bytes));
  });
}
