import { LossmeterError } from './errors.ts';

/** A task that waits for a worker. */
interface Waiting {
  isAbandoned: () => boolean;
  begin: () => void;
  drop: () => void;
}

/**
 * Queue of tasks in order of arrival. It runs at most one task per worker at a time. A task that was posted to a worker
 * cannot be withdrawn, so tasks wait here, and abandoned tasks are dropped instead of started.
 */
export class TaskQueue {
  readonly #waiting: Waiting[] = [];
  #free: number;

  /** @param workers maximum number of concurrent tasks */
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

  /** Starts the next waiting task after a task has ended. */
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
