/** Records every reply that `fetch` gets in this process: of services that run where nothing can be preloaded. */
const diagnostics = require('node:diagnostics_channel');
const { newReply } = require('./reply-file.cjs');

const replies = new WeakMap();

diagnostics.subscribe('undici:request:headers', ({ request, response }) => {
  const names = response.headers.map(String);
  const headers = names.flatMap((name, k) => (k % 2 === 0 ? [[name.toLowerCase(), names[k + 1]]] : []));
  const reply = newReply();
  reply.begin({
    ...{ method: request.method, url: request.path, status: response.statusCode },
    headers: Object.fromEntries(headers),
  });
  replies.set(request, reply);
});
diagnostics.subscribe('undici:request:bodyChunkReceived', ({ request, chunk }) => replies.get(request).add(chunk));
diagnostics.subscribe('undici:request:trailers', ({ request }) => replies.get(request).end());
