import { LossmeterError } from '../errors.ts';

export interface EventStreamLimits {
  maxEventStreams: number;
  maxEventStreamsPerClient: number;
}

/** Counts the open event streams. Each stream keeps a page in memory and reads every change. */
export class EventStreams {
  readonly #limits: EventStreamLimits;
  readonly #byClient = new Map<string, number>();
  #open = 0;

  constructor(limits: EventStreamLimits) {
    this.#limits = limits;
  }

  /**
   * Counts a stream. @returns a function that ends it
   * @throws LossmeterError overloaded
   */
  enter(client: string): () => void {
    const { maxEventStreams, maxEventStreamsPerClient } = this.#limits;
    const own = this.#byClient.get(client) ?? 0;
    if (this.#open >= maxEventStreams) {
      throw new LossmeterError('overloaded', `${this.#open} event streams are open, the maximum of this service`);
    }
    if (own >= maxEventStreamsPerClient) {
      throw new LossmeterError('overloaded', `${client} has ${own} event streams open, the maximum of a client`);
    }
    this.#open++;
    this.#byClient.set(client, own + 1);
    return () => {
      this.#open--;
      const left = this.#byClient.get(client)! - 1;
      if (left === 0) this.#byClient.delete(client);
      else this.#byClient.set(client, left);
    };
  }
}
