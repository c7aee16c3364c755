import { LossmeterError } from '../../errors.ts';
import { clientClosed } from '../../wire/body/content-encoding.ts';

/** Milliseconds between two looks at the progress of requests. */
const LOOK_EVERY_MS = 100;

/** Over how long the progress of a client is judged while others wait for the memory that it may hold, in milliseconds. */
const PRESSED_MS = 2000;

/**
 * A client that sends less than this per second does not keep others from being let in; and while others wait for the
 * memory that it may hold, it is too slow: 40 KiB. A hundred of them would hold all slabs else, and fill none.
 */
const SLOW_BYTES_PER_SECOND = 40 * 1024;

export interface AdmissionLimits {
  /** Evaluations under way at a time; those of slow clients do not count. */
  maxRequestsInFlight: number;
  /** Evaluations that wait for others to end. */
  maxQueuedRequests: number;
  /** Slowest rate of a client, over `stallSeconds` in which the service waits for it; slower ones are refused. */
  minBytesPerSecond: number;
  stallSeconds: number;
}

/** Progress of a body that is being read. */
export interface Progress {
  /** Bytes so far. */
  readonly received: number;
  /** True while the service waits for the client. */
  readonly isWaiting: boolean;
  /** Has the reading of it end with an error. */
  fail(error: LossmeterError): void;
}

/** A request that was let in. */
export interface Place {
  /** Begins to look at the progress of its body. */
  watch(progress: Progress): void;
  leave(): void;
}

/** A request that waits to be let in. */
interface Waiting {
  isAbandoned: (() => boolean) | undefined;
  letIn: () => void;
  drop: () => void;
}

/**
 * Lets so many evaluations begin that none takes long: more of them at a time would only share the processors and the
 * memory, and all be late. A bounded number waits, in the order of coming; the others are refused at once, which costs
 * next to nothing.
 *
 * A place is for work, not for waiting: a client that sends hardly anything keeps its request and does not count. One
 * that goes on so is refused, by its progress while it was waited for, however long the request takes in all.
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
   * @param isPressed true while requests wait for memory that others hold: then patience is short
   * @param what is let in, for messages
   */
  constructor(limits: AdmissionLimits, isPressed: () => boolean = () => false, what = 'evaluations') {
    this.#limits = limits;
    this.#isPressed = isPressed;
    this.#what = what;
  }

  /** Requests that were let in and have not left. */
  get inFlight(): number {
    return this.#places.size;
  }

  /** Requests that wait to be let in. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Takes a place: at once where one is free.
   * @param isAbandoned returns true once the client has left: it waits no longer then
   * @throws LossmeterError overloaded, and client_closed when it left
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

  /** @throws LossmeterError overloaded where `enter` would */
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

/** A place, and how its client does. */
class WatchedPlace implements Place {
  readonly leave: () => void;
  #progress: Progress | undefined;
  #lookedAt = performance.now();
  #received = 0;
  /** Milliseconds that the service waited for the client, and what came meanwhile, since they were last judged. */
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

  /** @param patience slowest accepted rate, and the time of waiting after which it is judged */
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
