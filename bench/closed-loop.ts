import { once } from 'node:events';
import { connect } from 'node:net';

/**
 * Requests per second when every connection sends its next request after each answer. Writes prepared bytes to plain
 * sockets: Node's own HTTP client takes more time per request than the compared servers, and would hide the difference
 * between them.
 */
export async function requestsPerSecond(
  port: number,
  { request, connections, milliseconds }: { request: Buffer; connections: number; milliseconds: number },
): Promise<{ answered: number; perSecond: number }> {
  const started = performance.now();
  const counts = await Promise.all(
    Array.from({ length: connections }, () => runConnection(port, request, started + milliseconds)),
  );
  const answered = counts.reduce((sum, count) => sum + count, 0);
  return { answered, perSecond: answered / ((performance.now() - started) / 1000) };
}

/** Resolves with the number of requests answered before the deadline. */
async function runConnection(port: number, request: Buffer, deadline: number): Promise<number> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  let answered = 0;
  let received: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    received = received.byteLength === 0 ? chunk : Buffer.concat([received, chunk]);
    const length = answerLength(received);
    if (length === undefined || received.byteLength < length) return;
    received = Buffer.alloc(0);
    answered++;
    if (performance.now() < deadline) socket.write(request);
    else socket.end();
  };
  socket.on('data', (chunk: Buffer) => {
    try {
      onData(chunk);
    } catch (error) {
      socket.destroy(error as Error);
    }
  });
  socket.write(request);
  await once(socket, 'close');
  return answered;
}

/** Byte length of the HTTP answer at the start of `received`; undefined while its header is incomplete. */
function answerLength(received: Buffer): number | undefined {
  const headerEnd = received.indexOf('\r\n\r\n');
  if (headerEnd < 0) return undefined;
  const header = received.toString('latin1', 0, headerEnd);
  const bodyLength = /\r\ncontent-length: (\d+)/i.exec(header)?.[1];
  if (!header.startsWith('HTTP/1.1 200 ') || bodyLength === undefined) {
    throw new Error(`expected 200 with a Content-Length, came ${received.toString('latin1')}`);
  }
  return headerEnd + 4 + Number(bodyLength);
}
