import type { Evaluation } from '../contract/cross-entropy.ts';
import type { KernelPool } from '../engine/pool.ts';
import type { FieldsKind, Kind, Plan } from '../evaluations/kind.ts';
import { Combining } from '../evaluations/vocabulary/combining.ts';
import { NamedFiles } from '../files/named-files.ts';
import type { NamedFilesOptions } from '../files/named-files.ts';
import { runWaiting } from '../waiting.ts';
import { HeldBytes } from '../wire/body/held-bytes.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';
import { JsonParser } from '../wire/json-text/parser.ts';
import { requireValues } from '../wire/media-types.ts';
import { Admission } from './admission/admission.ts';
import type { AdmissionLimits } from './admission/admission.ts';
import { Doorway } from './admission/doorway.ts';
import { Turns } from './admission/turns.ts';
import { answerWhole } from './answer-whole.ts';
import type { Answered } from './answered.ts';
import type { BodyLimits, RequestBody } from './body.ts';
import { evaluate } from './evaluate.ts';
import type { EvaluationLimits, Service } from './evaluate.ts';

export interface EvaluatorLimits extends AdmissionLimits, BodyLimits, EvaluationLimits, NamedFilesOptions {
  maxJsonDepth: number;
  /** Largest number of bytes that requests may hold, without slabs. */
  maxHeldBytes: number;
}

/** Default limit of a body of one plain value. It suffices for 64 labels of 256 characters, even if all are escaped. */
const MAX_PLAIN_BYTES = 2 ** 18;

/**
 * Parts of the service that requests share. The methods that process a request throw a LossmeterError if it is invalid; its
 * stream may then be unread in part.
 */
export class Evaluator {
  /** Admits or refuses evaluations. */
  readonly admission: Admission;
  /** Spreads the start of evaluations over turns. */
  readonly turns = new Turns();
  readonly #service: Service;
  /** Admits requests that are not evaluations. */
  readonly #sideDoor: Doorway;
  readonly #limits: EvaluatorLimits;
  readonly #held: HeldBytes;
  readonly #combining = new Combining();

  constructor(pool: KernelPool, limits: EvaluatorLimits) {
    const { maxJsonDepth, maxHeldBytes } = limits;
    this.#limits = limits;
    this.#held = new HeldBytes(maxHeldBytes);
    this.admission = new Admission(limits, () => pool.slabs.isWaitedFor);
    this.#service = {
      pool,
      limits,
      doorway: new Doorway(this.admission, this.#held, limits, this.turns),
      jsonParser: new JsonParser(maxJsonDepth),
      namedFiles: new NamedFiles(limits),
    };
    this.#sideDoor = new Doorway(new Admission(limits, undefined, 'descriptions of runs'), this.#held, limits);
  }

  /** Opens files that requests name. */
  get namedFiles(): NamedFiles {
    return this.#service.namedFiles;
  }

  /** Bytes that requests hold at the moment. */
  get heldBytes(): number {
    return this.#held.held;
  }

  /** Opens an account for memory outside of evaluated requests, such as pages of the history. */
  openAccount(): HeldBytesAccount {
    return this.#held.open();
  }

  /** Resolves when the service can evaluate. @throws Error like NamedFiles.ready */
  async ready(): Promise<void> {
    const { pool, namedFiles } = this.#service;
    await Promise.all([pool.ready(), namedFiles.ready()]);
  }

  /** Ends the threads and connections that the evaluator started. The owner of the pool closes it. */
  async close(): Promise<void> {
    const { jsonParser, namedFiles } = this.#service;
    await Promise.all([jsonParser.close(), this.#combining.close(), namedFiles.close()]);
  }

  /** Evaluates a request of a kind. @returns a promise only if it has to wait */
  evaluate<P extends Plan, A>(kind: Kind<P, A> | FieldsKind<A>, body: RequestBody): Answered<A> | Promise<Answered<A>> {
    return runWaiting(evaluate(kind, body, this.#service));
  }

  /** Combines the partials of all shards of the vocabulary into the loss. */
  combine(body: RequestBody): Answered<Evaluation> | Promise<Answered<Evaluation>> {
    const codec = requireValues(body.codec);
    const { maxJsonDepth: maxDepth } = this.#limits;
    const { isAbandoned } = body;
    return runWaiting(
      answerWhole(body, this.#service.doorway, {
        maxBytes: codec.values.maxBytes(this.#limits),
        answer: (whole, held) => this.#combining.combine(whole, codec, { held, maxDepth, isAbandoned }),
      }),
    );
  }

  /** Reads a short body of one plain value. It does not take a place of an evaluation. */
  async readValue<V>(body: RequestBody, read: (value: unknown) => V, maxBytes = MAX_PLAIN_BYTES): Promise<V> {
    const { values } = requireValues(body.codec);
    const { maxJsonDepth } = this.#limits;
    const { answer, release } = await runWaiting(
      answerWhole(body, this.#sideDoor, {
        maxBytes,
        answer: (whole) => read(values.parse(whole, maxJsonDepth)),
      }),
    );
    release();
    return answer;
  }
}
