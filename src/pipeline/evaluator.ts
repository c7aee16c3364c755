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
  /** Bytes that requests may hold, apart from slabs. */
  maxHeldBytes: number;
}

/** Longest body of a plain value: 64 labels of 256 characters, all of them escaped. */
const MAX_PLAIN_BYTES = 2 ** 18;

/**
 * The parts of the service that requests share. All methods throw a LossmeterError for what is wrong with the request; the
 * stream may not have been read to its end then.
 */
export class Evaluator {
  /** Admits evaluations, or refuses them. */
  readonly admission: Admission;
  /** Spreads the start of evaluations over turns. */
  readonly turns = new Turns();
  readonly #service: Service;
  /** Entrance of requests that are no evaluations. */
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

  /** Files that requests may name. */
  get namedFiles(): NamedFiles {
    return this.#service.namedFiles;
  }

  /** Bytes that requests hold at the moment. */
  get heldBytes(): number {
    return this.#held.held;
  }

  /** Opens an account for memory that a request takes apart from an evaluation. */
  openAccount(): HeldBytesAccount {
    return this.#held.open();
  }

  /** Resolves when it can evaluate. @throws Error as NamedFiles.ready */
  async ready(): Promise<void> {
    const { pool, namedFiles } = this.#service;
    await Promise.all([pool.ready(), namedFiles.ready()]);
  }

  /** Ends the threads and connections that this started; the pool is its owner's. */
  async close(): Promise<void> {
    const { jsonParser, namedFiles } = this.#service;
    await Promise.all([jsonParser.close(), this.#combining.close(), namedFiles.close()]);
  }

  /** Evaluates a request of a kind. @returns a promise only where it had to wait */
  evaluate<P extends Plan, A>(kind: Kind<P, A> | FieldsKind<A>, body: RequestBody): Answered<A> | Promise<Answered<A>> {
    return runWaiting(evaluate(kind, body, this.#service));
  }

  /** Combines the partials of all shards to the loss. */
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

  /** Reads a short body that is one plain value. It is no evaluation, and takes no place of one. */
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
