import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** Bytes of an HTTP request. */
export interface RequestBytes {
  /** Bytes to send immediately. */
  first: Uint8Array;
  /** Bytes to send after the service's 100 Continue (RFC 9110, Expect: 100-continue). */
  rest?: Uint8Array;
}

export interface Answer {
  status: number;
  /** Error code of a problem. */
  code: string | undefined;
  retryAfter: string | undefined;
  /** Digits of the loss: equal digits mean equal bits. */
  loss: string | undefined;
  /** Milliseconds from the start of the request, including the time to connect, to the head of this answer. */
  after: number;
}

export interface ConnectionEvents {
  /** Called for each answer, even when the request was not sent completely. */
  answered: (answer: Answer) => void;
  /** Called when the next request can be sent. */
  idle: (connection: Connection) => void;
  /**
   * Called when the connection is closed.
   * @param unanswered true when a request was pending
   */
  closed: (connection: Connection, unanswered: boolean) => void;
}

const NOTHING = Buffer.alloc(0);

/** A client's connection that reads while it sends, with one request at a time. */
export class Connection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  #received: Buffer = NOTHING;
  #rest: Uint8Array | undefined;
  #began = 0;
  /** Time of the head of the answer, while its body is incomplete. */
  #headCame: number | undefined;
  #awaits = false;
  #sends = false;

  constructor(port: number, events: ConnectionEvents) {
    this.#events = events;
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('data', (chunk) => this.#take(chunk));
    // Ignores the error, because the close event follows.
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => events.closed(this, this.#awaits));
  }

  send({ first, rest }: RequestBytes): void {
    this.#awaits = true;
    this.#rest = rest;
    this.#headCame = undefined;
    this.#began = performance.now();
    this.#write(first);
  }

  close(): void {
    this.#socket.destroy();
  }

  #write(bytes: Uint8Array): void {
    this.#sends = true;
    this.#socket.write(bytes, () => {
      this.#sends = false;
      if (!this.#awaits && !this.#socket.destroyed) this.#events.idle(this);
    });
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.byteLength === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf('\r\n\r\n') + 4;
    if (headEnd < 4) return;
    const head = this.#received.toString('latin1', 0, headEnd);
    const status = Number(head.slice(9, 12));
    const end = headEnd + Number(field(head, 'content-length') ?? 0);
    if (status !== 100) this.#headCame ??= performance.now();
    if (this.#received.byteLength < end) return;
    const body = this.#received.toString('latin1', headEnd, end);
    this.#received = this.#received.subarray(end);
    if (status === 100) {
      if (this.#rest !== undefined) this.#write(this.#rest);
      this.#rest = undefined;
      // The answer may have arrived in the same chunk.
      if (this.#received.byteLength > 0) this.#take(NOTHING);
      return;
    }
    this.#awaits = false;
    this.#events.answered({
      status,
      retryAfter: field(head, 'retry-after'),
      code: status === 200 ? undefined : /"code":"(\w+)"/.exec(body)?.[1],
      loss: status === 200 ? /"loss":([^,}]+)/.exec(body)?.[1] : undefined,
      after: this.#headCame! - this.#began,
    });
    if (field(head, 'connection') === 'close') this.#socket.destroy();
    else if (!this.#sends) this.#events.idle(this);
  }
}

function field(head: string, name: string): string | undefined {
  const at = head.toLowerCase().indexOf(`\r\n${name}: `);
  if (at < 0) return undefined;
  const from = at + name.length + 4;
  return head.slice(from, head.indexOf('\r\n', from));
}
