import { LossmeterError } from '../../errors.ts';
import { settled } from '../../waiting.ts';
import type { Waiting } from '../../waiting.ts';
import type { HeldBytes } from '../../wire/body/held-bytes.ts';
import { OpenBody } from '../body.ts';
import type { BodyLimits, RequestBody } from '../body.ts';
import type { Admission } from './admission.ts';
import type { Turns } from './turns.ts';

/** Admits requests: each request waits for its turn and for admission, or is refused. */
export class Doorway {
  readonly #admission: Admission;
  readonly #turns: Turns | undefined;
  readonly #held: HeldBytes;
  readonly #limits: BodyLimits;

  /** @param turns omitted for requests that take almost no time */
  constructor(admission: Admission, held: HeldBytes, limits: BodyLimits, turns?: Turns) {
    this.#admission = admission;
    this.#held = held;
    this.#limits = limits;
    this.#turns = turns;
  }

  /**
   * Waits until the request may begin.
   * @returns the body, which the caller must close
   * @throws LossmeterError body_too_large, overloaded, client_closed, unsupported_content_encoding
   */
  *admit(request: RequestBody): Waiting<OpenBody> {
    const { contentLength, isAbandoned } = request;
    const { maxBodyBytes } = this.#limits;
    if (contentLength !== undefined && contentLength > maxBodyBytes) {
      const detail = `Content-Length is ${contentLength}, expected at most ${maxBodyBytes} bytes`;
      throw new LossmeterError('body_too_large', detail);
    }
    // Refuses the request now instead of in a later turn.
    this.#admission.requireRoom();
    // Most requests begin at once, without waiting for a turn.
    const turn = this.#turns?.take();
    if (turn !== undefined) yield turn;
    const place = yield* settled(this.#admission.enter(isAbandoned));
    return new OpenBody(request, this.#limits, { held: this.#held.open(), place });
  }
}
