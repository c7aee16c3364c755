import type { LossmeterError } from '../errors.ts';
import type { ByteReader } from '../wire/body/byte-reader.ts';
import type { DecodedBody } from '../wire/body/content-encoding.ts';
import type { Progress } from './admission/admission.ts';

/**
 * Progress of a body. It is a class because V8 makes a separate map for each object literal with accessors. The map keeps
 * everything that the accessors reference, until a full garbage collection.
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
    // While the decoder has undecoded bytes, the service does not wait for the client.
    return this.#reader.isWaiting && this.#content.isStarved();
  }

  fail(error: LossmeterError): void {
    this.#reader.fail(error);
  }
}
