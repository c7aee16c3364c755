import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from './connection.ts';
import type { Answer, RequestBytes } from './connection.ts';

/** Requests that clients sent, and their answers. */
export interface Traffic {
  seconds: number;
  /** Answers within `seconds` by status, and by code for errors: '200', '429 overloaded'. */
  counts: Record<string, number>;
  /** Milliseconds to the head of each answer, by status. */
  after: Record<string, number[]>;
  /** Rejections with 429 or 503 that lack Retry-After. */
  withoutRetryAfter: number;
  /** Distinct losses in the answers. */
  losses: string[];
  /** Requests whose connection closed before an answer. */
  unanswered: number;
  /** Requests that were due when the number of connections was at its limit. */
  unsent: number;
  /** Largest number of simultaneous connections. */
  connections: number;
  /** Share of the time in which the clients' thread was busy. */
  busy: number;
}

/** Every connection sends its next request after an answer with any status. */
export interface ClosedLoop {
  kind: 'closed';
  port: number;
  /** Requests, assigned to the connections in turn. */
  requests: readonly RequestBytes[];
  connections: number;
  milliseconds: number;
}

/** Requests start at a fixed rate, independent of the answers. */
export interface OpenLoop {
  kind: 'open';
  port: number;
  request: RequestBytes;
  perSecond: number;
  maxConnections: number;
  milliseconds: number;
}

/** Longest wait, in milliseconds, for requests that are pending at the end. */
const GRACE_MS = 2000;
const TICK_MS = 1;

export function run(loop: ClosedLoop | OpenLoop): Promise<Traffic> {
  return loop.kind === 'closed' ? runClosed(loop) : runOpen(loop);
}

async function runClosed({ port, requests, connections, milliseconds }: ClosedLoop): Promise<Traffic> {
  const traffic = new Recorder(milliseconds);
  const clients = Array.from(
    { length: connections },
    (_, k) =>
      new Promise<void>((resolve) => {
        const request = requests[k % requests.length]!;
        const open = (): void => {
          new Connection(port, {
            answered: traffic.answered,
            idle: (connection) => (traffic.isOver ? connection.close() : connection.send(request)),
            closed: (_connection, unanswered) => {
              traffic.closed(unanswered);
              if (traffic.isOver) resolve();
              else open();
            },
          }).send(request);
          traffic.opened();
        };
        open();
      }),
  );
  await Promise.all(clients);
  return traffic.result();
}

async function runOpen({ port, request, perSecond, maxConnections, milliseconds }: OpenLoop): Promise<Traffic> {
  const traffic = new Recorder(milliseconds);
  const all = new Set<Connection>();
  const idle: Connection[] = [];
  const events = {
    answered: traffic.answered,
    idle: (connection: Connection): void => void idle.push(connection),
    closed: (connection: Connection, unanswered: boolean): void => {
      traffic.closed(unanswered);
      all.delete(connection);
      const at = idle.indexOf(connection);
      if (at >= 0) idle.splice(at, 1);
    },
  };
  const begin = (): void => {
    let connection = idle.pop();
    if (connection === undefined) {
      if (all.size >= maxConnections) {
        traffic.unsent++;
        return;
      }
      connection = new Connection(port, events);
      all.add(connection);
      traffic.opened();
    }
    connection.send(request);
  };
  for (let begun = 0; !traffic.isOver; await sleep(TICK_MS)) {
    const due = Math.floor((traffic.elapsed * perSecond) / 1000);
    for (; begun < due; begun++) begin();
  }
  const result = traffic.result();
  for (let waited = 0; waited < GRACE_MS && idle.length < all.size; waited += 20) await sleep(20);
  for (const connection of all) connection.close();
  while (all.size > 0) await sleep(1);
  return { ...result, after: traffic.after, unanswered: traffic.unanswered };
}

class Recorder {
  readonly after: Record<string, number[]> = {};
  unsent = 0;
  unanswered = 0;
  readonly #started = performance.now();
  readonly #utilization = performance.eventLoopUtilization();
  readonly #milliseconds: number;
  readonly #counts: Record<string, number> = {};
  readonly #losses = new Set<string>();
  #withoutRetryAfter = 0;
  #open = 0;
  #mostOpen = 0;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  get elapsed(): number {
    return performance.now() - this.#started;
  }

  get isOver(): boolean {
    return this.elapsed >= this.#milliseconds;
  }

  opened(): void {
    this.#mostOpen = Math.max(this.#mostOpen, ++this.#open);
  }

  closed(unanswered: boolean): void {
    this.#open--;
    if (unanswered) this.unanswered++;
  }

  readonly answered = ({ status, code, retryAfter, loss, after }: Answer): void => {
    (this.after[status] ??= []).push(after);
    if (this.isOver) return;
    const what = code === undefined ? String(status) : `${status} ${code}`;
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
    if ((status === 429 || status === 503) && !(Number(retryAfter) > 0)) this.#withoutRetryAfter++;
    if (loss !== undefined) this.#losses.add(loss);
  };

  result(): Traffic {
    const busy = performance.eventLoopUtilization(this.#utilization).utilization;
    return {
      seconds: this.#milliseconds / 1000,
      counts: this.#counts,
      after: this.after,
      withoutRetryAfter: this.#withoutRetryAfter,
      losses: [...this.#losses],
      unanswered: this.unanswered,
      unsent: this.unsent,
      connections: this.#mostOpen,
      busy,
    };
  }
}
