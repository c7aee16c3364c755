/** Byte-exact HTTP, for requests and answers that fetch would change or hide. */
import { connect } from 'node:net';

export interface RawAnswer {
  status: number;
  /** Headers by lower-case name. */
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

/** Sends the bytes of a request in the given pieces, and reads one answer. */
export async function exchange(url: string, pieces: readonly Uint8Array[]): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  try {
    for (const piece of pieces) {
      socket.write(piece);
      // Each piece takes a turn of the event loop, so that pieces arrive one by one.
      if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
    }
    let came: Buffer = Buffer.alloc(0);
    for await (const chunk of socket) {
      came = Buffer.concat([came, chunk as Buffer]);
      const answer = readAnswer(came);
      if (answer !== undefined) return answer;
    }
    throw new Error(`the connection was closed after ${came.byteLength} bytes of an answer`);
  } finally {
    socket.destroy();
  }
}

/** Parses an answer; undefined while it is incomplete. */
function readAnswer(came: Buffer): RawAnswer | undefined {
  const end = came.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine, ...lines] = came.subarray(0, end).toString('latin1').split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const rest = came.subarray(end + 4);
  const body = headers['transfer-encoding'] === 'chunked' ? readChunks(rest) : readLength(rest, headers);
  return body && { status: Number(statusLine!.split(' ')[1]), headers, body };
}

function readLength(rest: Buffer, headers: Readonly<Record<string, string>>): Buffer | undefined {
  const length = Number(headers['content-length'] ?? 0);
  return rest.byteLength < length ? undefined : rest.subarray(0, length);
}

function readChunks(rest: Buffer): Buffer | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const length = Number.parseInt(rest.subarray(at, lineEnd).toString('latin1'), 16);
    const start = lineEnd + 2;
    if (rest.byteLength < start + length + 2) return undefined;
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(rest.subarray(start, start + length));
    at = start + length + 2;
  }
}
