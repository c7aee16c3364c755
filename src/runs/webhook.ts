import { createHmac, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from '../wire/json-text/stringify.ts';
import { Drain } from './drain.ts';
import { describeFailure } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import type { ChangedStep } from './follower.ts';
import { wirePoint } from './wire.ts';

/** Reason for a message. */
type Reason = 'non_finite' | 'spike';

/** Outcome of a message. */
export type WebhookOutcome = 'delivered' | 'failed' | 'dropped';

/** Most pending messages. Further messages are dropped, so that a receiver that is down does not fill the memory. */
const MOST_WAITING = 1000;

/** Most steps remembered as already reported. */
const MOST_TOLD = 10_000;

const TRIES = 8;
const FIRST_PAUSE_MS = 500;
const ANSWER_WITHIN_MS = 10_000;

export interface WebhookOptions {
  receiver: Endpoint;
  /** Key that signs the messages. */
  secret: string;
  /** Milliseconds of the first pause before a retry; each further pause is twice as long. */
  firstPauseMs?: number;
}

/**
 * Posts non-finite steps, and complete steps that are spikes, once each. Messages follow Standard Webhooks:
 * `webhook-id`, `webhook-timestamp` and `webhook-signature` (v1, the HMAC-SHA-256 of id.timestamp.body). They are sent
 * in order and retried with growing pauses. Recordings do not wait for them.
 */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #watch: (outcome: WebhookOutcome, cause?: unknown) => void;
  readonly #waiting: string[] = [];
  readonly #told = new Set<string>();
  readonly #closing = new AbortController();
  readonly #drain = new Drain(() => this.#sendAll());

  /** @param watch called with the outcome of each message, and the reason of the last failure */
  constructor(options: WebhookOptions, watch: (outcome: WebhookOutcome, cause?: unknown) => void = () => undefined) {
    this.#options = options;
    this.#watch = watch;
  }

  /** Queues a message for a changed step that needs one. */
  readonly tell = ({ run, runId, point }: ChangedStep): void => {
    const reason = reasonOf(point);
    if (reason === undefined) return;
    const key = JSON.stringify([runId, point.step, point.attempt, reason]);
    if (this.#told.has(key)) return;
    if (this.#waiting.length >= MOST_WAITING) {
      this.#watch('dropped');
      return;
    }
    this.#remember(key);
    const timestamp = new Date().toISOString();
    this.#waiting.push(stringify({ type: `step.${reason}`, timestamp, data: { run, step: wirePoint(point) } }));
    this.#drain.request();
  };

  /** Drops undelivered messages. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#drain.settled();
  }

  #remember(key: string): void {
    this.#told.add(key);
    if (this.#told.size <= MOST_TOLD) return;
    const [oldest] = this.#told;
    this.#told.delete(oldest!);
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#closing.signal.aborted) await this.#send(this.#waiting.shift()!);
  }

  async #send(body: string): Promise<void> {
    const id = `msg_${randomUUID()}`;
    let pause = this.#options.firstPauseMs ?? FIRST_PAUSE_MS;
    for (let left = TRIES; ; left--) {
      try {
        await this.#post(id, body);
        this.#watch('delivered');
        return;
      } catch (error) {
        if (left === 1 || this.#closing.signal.aborted) {
          this.#watch('failed', error);
          return;
        }
      }
      await sleep(pause, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      pause *= 2;
    }
  }

  async #post(id: string, body: string): Promise<void> {
    const { receiver, secret } = this.#options;
    const { url, authorization } = receiver;
    const timestamp = String(Math.floor(Date.now() / 1000));
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(authorization !== undefined && { authorization }),
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
      },
      body,
      redirect: 'error',
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
    }).catch((error: unknown) => {
      throw new Error(`the receiver did not answer: ${describeFailure(error, receiver)}`);
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the receiver answered ${response.status}`);
  }
}

/** Bytes of a secret: base64 after the prefix of Standard Webhooks; the bytes of any other text. */
function keyOf(secret: string): Buffer {
  const prefix = 'whsec_';
  return secret.startsWith(prefix) ? Buffer.from(secret.slice(prefix.length), 'base64') : Buffer.from(secret);
}

/** Only complete steps can be spikes: the loss of an incomplete step still changes. */
function reasonOf({ nonFinite, spike, complete }: ChangedStep['point']): Reason | undefined {
  if (nonFinite) return 'non_finite';
  return spike && complete ? 'spike' : undefined;
}
