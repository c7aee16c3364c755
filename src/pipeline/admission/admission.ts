import { LossmeterError } from '../../errors.ts';
import { clientClosed } from '../../wire/body/content-encoding.ts';

/** Milliseconds between checks of the progress of requests. */
const LOOK_EVERY_MS = 100;

/** Milliseconds of waiting after which the rate of a client is checked, while requests wait for memory. */
const PRESSED_MS = 2000;

/**
 * Rate below which a client is slow: 40 KiB/s. The request of a slow client does not count as one in flight. While requests
 * wait for memory, it is refused: otherwise a hundred slow clients could hold all slabs without filling one.
 */
const SLOW_BYTES_PER_SECOND = 40 * 1024;

export interface AdmissionLimits {
  /** Largest number of evaluations in flight, without those of slow clients. */
  maxRequestsInFlight: number;
  /** Largest number of waiting evaluations. */
  maxQueuedRequests: number;
  /** Lowest accepted rate of a client, over `stallSeconds` in which the service waits for it. Slower clients are refused. */
  minBytesPerSecond: number;
  stallSeconds: number;
}

/** Progress of a body that is being read. */
export interface Progress {
  /** Number of bytes received so far. */
  readonly received: number;
  /** True while the service waits for the client. */
  readonly isWaiting: boolean;
  /** Ends the reading of the body with an error. */
  fail(error: LossmeterError): void;
}

/** Place of an admitted request. */
export interface Place {
  /** Starts the checks of the progress of its body. */
  watch(progress: Progress): void;
  leave(): void;
}

/** Request that waits for admission. */
interface Waiting {
  isAbandoned: (() => boolean) | undefined;
  letIn: () => void;
  drop: () => void;
}

/**
 * Limits the number of evaluations in flight. More at a time would share processors and memory, and all would take longer. A
 * limited number of requests waits, in the order of arrival; further requests are refused at once, which costs almost nothing.
 *
 * A slow client keeps its place, but the place does not count. A client that stays too slow is refused. Its rate is measured
 * over the time in which the service waited for it, not over the whole request.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #isPressed: () => boolean;
  readonly #places = new Set<WatchedPlace>();
  #queue: Waiting[] = [];
  #slow = 0;
  #timer: NodeJS.Timeout | undefined;

  readonly #what: string;

  /**
   * @param isPressed returns true while requests wait for memory that others hold: slow clients are then refused sooner
   * @param what name of the admitted requests in messages
   */
  constructor(limits: AdmissionLimits, isPressed: () => boolean = () => false, what = 'evaluations') {
    this.#limits = limits;
    this.#isPressed = isPressed;
    this.#what = what;
  }

  /** Number of admitted requests that have not left. */
  get inFlight(): number {
    return this.#places.size;
  }

  /** Number of requests that wait for admission. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Takes a place, at once if one is free.
   * @param isAbandoned returns true once the client has left: its request then stops waiting
   * @throws LossmeterError overloaded, and client_closed when the client has left
   */
  enter(isAbandoned?: () => boolean): Place | Promise<Place> {
    this.requireRoom();
    if (this.#hasRoom && this.#queue.length === 0) return this.#open();
    return new Promise((resolve, reject) => {
      const letIn = (): void => resolve(this.#open());
      this.#queue.push({ isAbandoned, letIn, drop: () => reject(clientClosed()) });
      this.#timer ??= setInterval(this.#look, LOOK_EVERY_MS).unref();
    });
  }

  /** @throws LossmeterError overloaded if `enter` would throw it */
  requireRoom(): void {
    const { maxRequestsInFlight, maxQueuedRequests } = this.#limits;
    const queued = this.#queue.length;
    if ((this.#hasRoom && queued === 0) || queued < maxQueuedRequests) return;
    const detail = `${maxRequestsInFlight} ${this.#what} are under way and ${queued} wait, the maximum of this service`;
    throw new LossmeterError('overloaded', detail);
  }

  get #hasRoom(): boolean {
    return this.#places.size - this.#slow < this.#limits.maxRequestsInFlight;
  }

  #open(): Place {
    const place = new WatchedPlace(() => {
      if (!this.#places.delete(place)) return;
      if (place.isSlow) this.#slow--;
      this.#letIn();
    });
    this.#places.add(place);
    this.#timer ??= setInterval(this.#look, LOOK_EVERY_MS).unref();
    return place;
  }

  #letIn(): void {
    while (this.#hasRoom && this.#queue.length > 0) {
      const { isAbandoned, letIn, drop } = this.#queue.shift()!;
      if (isAbandoned?.() === true) drop();
      else letIn();
    }
  }

  readonly #look = (): void => {
    const now = performance.now();
    const stallMs = 1000 * this.#limits.stallSeconds;
    const { minBytesPerSecond } = this.#limits;
    const patience = this.#isPressed()
      ? { ms: Math.min(PRESSED_MS, stallMs), bytesPerSecond: Math.max(SLOW_BYTES_PER_SECOND, minBytesPerSecond) }
      : { ms: stallMs, bytesPerSecond: minBytesPerSecond };
    this.#slow = 0;
    for (const place of this.#places) {
      place.look(now, patience);
      if (place.isSlow) this.#slow++;
    }
    const { true: left = [], false: waiting = [] } = Object.groupBy(this.#queue, ({ isAbandoned }) =>
      isAbandoned?.() === true ? 'true' : 'false',
    );
    this.#queue = waiting;
    for (const { drop } of left) drop();
    this.#letIn();
    if (this.#places.size > 0 || this.#queue.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  };
}

/** Place whose client's rate is checked. */
class WatchedPlace implements Place {
  readonly leave: () => void;
  #progress: Progress | undefined;
  #lookedAt = performance.now();
  #received = 0;
  /** Milliseconds that the service waited for the client, and bytes that arrived, since the rate was last checked. */
  #waitedMs = 0;
  #cameMeanwhile = 0;
  #isSlow = false;

  constructor(leave: () => void) {
    this.leave = leave;
  }

  get isSlow(): boolean {
    return this.#isSlow;
  }

  watch(progress: Progress): void {
    this.#progress = progress;
    this.#lookedAt = performance.now();
  }

  /** @param patience lowest accepted rate, and the time of waiting after which it is checked */
  look(now: number, patience: { ms: number; bytesPerSecond: number }): void {
    if (this.#progress === undefined) return;
    const { received, isWaiting } = this.#progress;
    const elapsed = now - this.#lookedAt;
    const came = received - this.#received;
    this.#lookedAt = now;
    this.#received = received;
    this.#isSlow = isWaiting && came * 1000 < SLOW_BYTES_PER_SECOND * elapsed;
    this.#cameMeanwhile += came;
    if (!isWaiting) return;
    this.#waitedMs += elapsed;
    const { ms, bytesPerSecond } = patience;
    if (this.#waitedMs < ms) return;
    if (this.#cameMeanwhile < (bytesPerSecond * this.#waitedMs) / 1000) {
      const detail = `${this.#cameMeanwhile} bytes arrived while the service waited ${(this.#waitedMs / 1000).toFixed(1)} s for the client, expected at least ${bytesPerSecond} bytes per second`;
      this.#progress.fail(new LossmeterError('client_too_slow', detail));
    }
    this.#waitedMs = 0;
    this.#cameMeanwhile = 0;
  }
}
