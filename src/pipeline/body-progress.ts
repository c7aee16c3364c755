import type { LossmeterError } from '../errors.ts';
import type { ByteReader } from '../wire/body/byte-reader.ts';
import type { DecodedBody } from '../wire/body/content-encoding.ts';
import type { Progress } from './admission/admission.ts';

/**
 * Progress of a body. A class: V8 makes a map of its own for each literal with accessors, and keeps it, and with it all that
 * the accessors see, until it collects the whole heap.
 */
export class BodyProgress implements Progress {
  readonly #reader: ByteReader;
  readonly #content: DecodedBody;

  constructor(reader: ByteReader, content: DecodedBody) {
    this.#reader = reader;
    this.#content = content;
  }

  get received(): number {
    return this.#content.received() ?? this.#reader.received;
  }

  get isWaiting(): boolean {
    // Bytes may wait for the decoder: the client is not slow then.
    return this.#reader.isWaiting && this.#content.isStarved();
  }

  fail(error: LossmeterError): void {
    this.#reader.fail(error);
  }
}
