import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** End of a slow client: the status and code of its answer, or 'closed' without an answer. */
export interface SlowEnd {
  answer: string;
  /** Seconds since its start. */
  after: number;
}

/** Clients that each send one byte per second. */
export class SlowClients implements Disposable {
  /** Ends of the clients that the service disconnected. */
  readonly ends: SlowEnd[] = [];
  readonly #port: number;
  readonly #beginnings: readonly Uint8Array[];
  readonly #sockets = new Set<Socket>();
  readonly #timer: NodeJS.Timeout;

  /** @param beginnings bytes that clients send immediately, used in turn */
  constructor(port: number, beginnings: readonly Uint8Array[]) {
    this.#port = port;
    this.#beginnings = beginnings;
    this.#timer = setInterval(() => {
      for (const socket of this.#sockets) socket.write('a');
    }, 1000);
  }

  get count(): number {
    return this.#sockets.size;
  }

  /** Starts a number of clients. */
  start(count: number): void {
    for (let k = 0; k < count; k++) this.#start(this.#beginnings[k % this.#beginnings.length]!);
  }

  #start(beginning: Uint8Array): void {
    const began = performance.now();
    const socket = connect({ host: '127.0.0.1', port: this.#port });
    let text = '';
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part;
    });
    socket.once('close', () => {
      if (!this.#sockets.delete(socket)) return;
      const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1];
      const code = /"code":"(\w+)"/.exec(text)?.[1];
      const answer = status === undefined ? 'closed' : `${status} ${code}`;
      this.ends.push({ answer, after: (performance.now() - began) / 1000 });
    });
    socket.write(beginning);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) {
      this.#sockets.delete(socket);
      socket.destroy();
    }
  }
}
