import { LossmeterError } from './errors.ts';

/** A task that waits for a worker. */
interface Waiting {
  isAbandoned: () => boolean;
  begin: () => void;
  drop: () => void;
}

/**
 * Tasks in the order of coming, as many at a time as there are workers. A task that was posted to a worker cannot be taken
 * back, so tasks wait here, and those whose client has left are dropped in place of being begun.
 */
export class TaskQueue {
  readonly #waiting: Waiting[] = [];
  #free: number;

  /** @param workers tasks that run at a time */
  constructor(workers: number) {
    this.#free = workers;
  }

  /** @throws LossmeterError client_closed when the task was abandoned before it began */
  async run<R>(task: () => Promise<R>, isAbandoned: () => boolean = () => false): Promise<R> {
    if (this.#free > 0) {
      if (isAbandoned()) throw clientLeft();
      this.#free--;
    } else {
      await new Promise<void>((begin, fail) => {
        this.#waiting.push({ isAbandoned, begin, drop: () => fail(clientLeft()) });
      });
    }
    try {
      return await task();
    } finally {
      this.#next();
    }
  }

  /** Hands the place of a task that ended to the next one. */
  #next(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (!next.isAbandoned()) {
        next.begin();
        return;
      }
      next.drop();
    }
    this.#free++;
  }
}

function clientLeft(): LossmeterError {
  return new LossmeterError('client_closed', 'the client left before its rows were evaluated');
}
