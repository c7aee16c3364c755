/**
 * Records every reply of the services of this process to a file below RECORDED_REPLIES. Preloaded by the suites, also
 * into processes of older versions of Node.js: plain JavaScript, without dependencies.
 */
const diagnostics = require('node:diagnostics_channel');
const { isMainThread } = require('node:worker_threads');
const { newReply } = require('./reply-file.cjs');

const servers = new WeakSet();
/** Connections on which a response is written. */
const answering = new WeakSet();

// Vitest may run its files in threads; those of the service have no server.
if (process.env['RECORDED_REPLIES'] !== undefined && (isMainThread || process.env['VITEST'] !== undefined)) {
  diagnostics.subscribe('fastify.initialization', ({ fastify }) => {
    const { server } = fastify;
    servers.add(server);
    server.prependListener('clientError', (_error, socket) => recordSocket(socket));
    // A listener of ours alone would change what Node.js does with such requests.
    server.on('newListener', (event, listener) => {
      if (!['connect', 'upgrade'].includes(event) || listener === recordTaken) return;
      if (!server.listeners(event).includes(recordTaken)) server.prependListener(event, recordTaken);
    });
  });
  diagnostics.subscribe('http.server.request.start', ({ request, response, socket, server }) => {
    if (!servers.has(server)) return;
    answering.add(socket);
    response.once('close', () => answering.delete(socket));
    recordResponse(request, response);
  });
}

function recordResponse({ method, url }, response) {
  const reply = newReply();
  let headers = {};
  let isBegun = false;
  const begin = () => {
    if (isBegun) return;
    isBegun = true;
    reply.begin({ method, url, status: response.statusCode, headers: { ...response.getHeaders(), ...headers } });
  };
  const { writeHead, write, end } = response;
  response.writeHead = function (status, ...others) {
    headers = headersOf(others.at(-1));
    const returned = writeHead.call(this, status, ...others);
    // 100 and 103 come before a reply.
    if (status >= 200) begin();
    return returned;
  };
  response.write = function (chunk, ...others) {
    const returned = write.call(this, chunk, ...others);
    begin();
    reply.add(bytesOf(chunk, others[0]));
    return returned;
  };
  response.end = function (chunk, ...others) {
    const returned = end.call(this, chunk, ...others);
    begin();
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) reply.add(bytesOf(chunk, others[0]));
    reply.end();
    return returned;
  };
}

/** Replies to a request whose connection is taken over. */
function recordTaken(_request, socket) {
  recordSocket(socket);
}

/** Replies to what is no request, which are written to the connection itself. */
function recordSocket(socket) {
  for (const name of ['write', 'end']) {
    const send = socket[name];
    socket[name] = function (chunk, ...others) {
      // A response to an earlier request may still be written.
      if (!answering.has(this) && (typeof chunk === 'string' || chunk instanceof Uint8Array))
        recordText(Buffer.from(chunk).toString());
      return send.call(this, chunk, ...others);
    };
  }
}

/** A reply that is written at once. */
function recordText(text) {
  const [head, body = ''] = text.split('\r\n\r\n');
  const [statusLine, ...lines] = head.split('\r\n');
  if (!statusLine.startsWith('HTTP/')) return;
  const reply = newReply();
  reply.begin({ status: Number(statusLine.split(' ')[1]), headers: headersOf(lines.flatMap(fieldOf)) });
  reply.add(Buffer.from(body));
  reply.end();
}

/** Name and value of a line of a head. */
function fieldOf(line) {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

/** Of an object, or of a flat list, by names in lower case. */
function headersOf(given) {
  if (given === null || typeof given !== 'object') return {};
  const pairs = Array.isArray(given)
    ? given.flatMap((value, k) => (k % 2 === 0 ? [[value, given[k + 1]]] : []))
    : Object.entries(given);
  return Object.fromEntries(pairs.map(([name, value]) => [String(name).toLowerCase(), value]));
}

function bytesOf(chunk, encoding) {
  return typeof chunk === 'string' ? Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8') : chunk;
}
