import { LossmeterError } from '../errors.ts';

/** Bytes of request bodies that wait in memory, over all requests: what cannot be handed on as it arrives. */
export class HeldBytes {
  readonly #max: number;
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get held(): number {
    return this.#held;
  }

  /** An account of one request: it takes as bytes arrive and gives all back at its end. */
  open(): HeldBytesAccount {
    let taken = 0;
    return {
      take: (bytes, what) => {
        if (this.#held + bytes > this.#max) {
          const detail =
            `${what} must wait in memory, and with it more than the ${this.#max} bytes in flight that this service ` +
            'allows would be held; send the tensor `logits` last, after label, input_mask, weight and options: then it streams';
          throw new LossmeterError('body_too_large', detail);
        }
        this.#held += bytes;
        taken += bytes;
      },
      close: () => {
        this.#held -= taken;
        taken = 0;
      },
    };
  }
}

export interface HeldBytesAccount {
  /** @throws LossmeterError body_too_large when the service would hold too much */
  take(bytes: number, what: string): void;
  close(): void;
}
