import { extname } from 'node:path';
import type { Readable } from 'node:stream';
import { LossmeterError } from '../errors.ts';
import { OPTION_NAMES } from '../loss/options.ts';
import type { RecordedAs } from '../diagnostics/summary.ts';
import { VOCABULARY_FIELDS } from '../loss/vocabulary.ts';
import type { KernelPool } from '../engine/pool.ts';
import { runInTurns } from '../steps.ts';
import { Threads } from '../threads.ts';
import type { Steps } from '../steps.ts';
import { runWaiting, settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import { ByteReader } from '../wire/body/byte-reader.ts';
import { decodeContent } from '../wire/body/content-encoding.ts';
import type { DecodedBody, DecodingOptions } from '../wire/body/content-encoding.ts';
import { readWhole } from '../wire/decoding.ts';
import { kindOfFile } from '../wire/body/file-kind.ts';
import { HeldBytes, HeldRuns, adviceOn, ownBytes } from '../wire/body/held-bytes.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';
import { JsonParser } from '../wire/json-text/parser.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import type { Shape } from '../tensor/shape.ts';
import { requireValues } from '../wire/media-types.ts';
import type { Codec, DecodeContext, RequestHeader } from '../wire/request.ts';
import { Admission } from './admission/admission.ts';
import type { AdmissionLimits, Place } from './admission/admission.ts';
import { evaluated, openBatch } from '../evaluations/cross-entropy/batch.ts';
import { openShard } from '../evaluations/vocabulary/shard.ts';
import type { Batch } from '../batch/rows.ts';
import type { RowResults } from '../engine/block-writer.ts';
import { combine } from '../evaluations/vocabulary/combine.ts';
import type { CombineTask } from '../evaluations/vocabulary/combine-worker.ts';
import { DataDirectory, RequestFiles } from '../files/data-directory.ts';
import { openDiagnosis, reportDiagnosis } from '../evaluations/diagnosis/diagnosis.ts';
import type { Diagnosis } from '../evaluations/diagnosis/diagnosis.ts';
import { encodePartial } from '../evaluations/vocabulary/partial-object.ts';
import type { PartialObject } from '../evaluations/vocabulary/partial-object.ts';
import { report } from '../batch/report.ts';
import type { LogitsIntake } from '../engine/intake.ts';
import { BodyProgress } from './body-progress.ts';
import { readRequest } from './read-request.ts';
import { runDecoding } from './run-decoding.ts';
import { PAIR_FIELDS, openRunBatch, runBatch, runPair } from '../evaluations/cross-entropy/recording.ts';
import type { RunBatch } from '../evaluations/cross-entropy/recording.ts';
import type { Evaluation } from '../batch/report.ts';
import { Turns } from './admission/turns.ts';

/** Milliseconds: ingest is the time from the first look at the body to its end; compute is added over workers. */
export interface Timings {
  ingest: number;
  compute: number;
  reduce: number;
}

export interface EvaluatorLimits extends AdmissionLimits {
  maxBodyBytes: number;
  maxJsonBytes: number;
  maxJsonDepth: number;
  /** Elements of the logits; other tensors are held, and bounded by that. */
  maxElements: number;
  maxDecompressionRatio: number;
  /** Bytes that requests may hold, apart from slabs. */
  maxHeldBytes: number;
  /** Folder of files that requests may name; they may name none without. */
  dataDir?: string | undefined;
}

/** A request body, as it arrives. */
export interface RequestBody {
  stream: Readable;
  codec: Codec;
  contentEncoding: string | undefined;
  /** Announced bytes, where they are. */
  contentLength: number | undefined;
  /** True once the client has left. */
  isAbandoned?: () => boolean;
}

/** An answer, its timings, and the release of its memory once it has been sent. */
export interface Answered<A> {
  answer: A;
  timings: Timings;
  /** True where tensors of the answer are arrays of msgpack-numpy, because the logits were. */
  numpyArrays: boolean;
  release: () => void;
}

/** Means to read a request. */
interface Ingest {
  codec: Codec;
  reader: ByteReader;
  held: HeldBytesAccount;
  /** Announced bytes, where they are. */
  contentLength: number | undefined;
}

/** Bodies of partials up to this size are combined where they are: that takes some milliseconds. */
const MAX_INLINE_COMBINE_BYTES = 2 ** 16;

/** Copies of partials beside the body while they are combined: as columns, and merged. */
const COMBINED_COPIES = 2;

/** Bodies that are combined at a time. */
const MAX_COMBINE_THREADS = 2;

/** Bound on the values of partials apart from their tensors. */
const MAX_COMBINE_HEAP_MB = 1024;

/** A plain value has some labels: no more than 64 of 256 characters, each of which JSON may escape. */
const MAX_PLAIN_BYTES = 2 ** 18;

type Answering<A> = Omit<Answered<A>, 'release'>;

/** The evaluation of a request, step by step. */
interface Plan<B, A> extends OptionalParts<A> {
  readonly context: DecodeContext;
  readonly open: (header: RequestHeader) => Steps<B>;
  readonly answerOf: (batch: B, rows: RowResults) => A | Promise<A>;
  readonly isAbandoned: (() => boolean) | undefined;
}

/** Parts of a request that are optional. */
interface OptionalParts<A> {
  labelOptional?: boolean;
  /** Answers a request without tensors. Undefined where tensors are required. */
  answerWithoutTensors?: ((fields: Readonly<Record<string, unknown>>) => A) | undefined;
}

/**
 * Takes a request from its bytes to its answer: decodes it as it arrives, has blocks of rows evaluated, reduces. All
 * methods throw a LossmeterError for what is wrong with the request; the stream may not have been read to its end then.
 */
export class Evaluator {
  /** Admits requests, or refuses them. */
  readonly admission: Admission;
  /** Spreads the start of requests over turns. */
  readonly turns = new Turns();
  readonly #pool: KernelPool;
  readonly #limits: EvaluatorLimits;
  readonly #held: HeldBytes;
  readonly #jsonParser: JsonParser;
  readonly #combining = new Threads<CombineTask, Evaluation>({
    filename: new URL(`../evaluations/vocabulary/combine-worker${extname(import.meta.url)}`, import.meta.url),
    maxThreads: MAX_COMBINE_THREADS,
    maxHeapMegabytes: MAX_COMBINE_HEAP_MB,
    what: 'the partials',
  });
  readonly #dataDirectory: DataDirectory | undefined;

  constructor(pool: KernelPool, limits: EvaluatorLimits) {
    this.#pool = pool;
    this.#limits = limits;
    this.#held = new HeldBytes(limits.maxHeldBytes);
    this.admission = new Admission(limits, () => pool.slabs.isWaitedFor);
    this.#jsonParser = new JsonParser(limits.maxJsonDepth);
    this.#dataDirectory =
      limits.dataDir === undefined ? undefined : new DataDirectory(limits.dataDir, limits.maxJsonBytes);
  }

  /** Bytes that requests hold at the moment. */
  get heldBytes(): number {
    return this.#held.held;
  }

  /** Opens an account for memory that a request takes apart from an evaluation. */
  openAccount(): HeldBytesAccount {
    return this.#held.open();
  }

  /** Resolves when it can evaluate. @throws Error for a data directory that is not there */
  async ready(): Promise<void> {
    await Promise.all([this.#pool.ready(), this.#dataDirectory?.requireFolder()]);
  }

  /** Ends the threads that this started; the pool is its owner's. */
  async close(): Promise<void> {
    await Promise.all([this.#jsonParser.close(), this.#combining.close()]);
  }

  /** Evaluates one batch to its loss. */
  evaluate(body: RequestBody): Answered<Evaluation> | Promise<Answered<Evaluation>> {
    return this.#evaluateRows(body, [], openBatch, (batch, rows) => runInTurns(report(evaluated(batch, rows))));
  }

  /** Evaluates one batch over a shard of the vocabulary, to a partial that can be merged with the other shards. */
  evaluatePartial(body: RequestBody): Answered<PartialObject> | Promise<Answered<PartialObject>> {
    return this.#evaluateRows(body, VOCABULARY_FIELDS, openShard, encodePartial);
  }

  /** Reports the values of a tensor. */
  diagnose(body: RequestBody): Answered<Diagnosis> | Promise<Answered<Diagnosis>> {
    return this.#evaluateRows(
      body,
      [],
      openDiagnosis,
      (diagnosed, rows) => runInTurns(reportDiagnosis(diagnosed, rows)),
      { labelOptional: true },
    );
  }

  /** Evaluates one batch of a run to its loss and its digest; or takes the pair that was computed elsewhere. */
  evaluateForRun(body: RequestBody, recorded: RecordedAs): Answered<RunBatch> | Promise<Answered<RunBatch>> {
    return this.#evaluateRows(
      body,
      PAIR_FIELDS,
      openRunBatch,
      (batch, rows) => runInTurns(runBatch(batch, rows, recorded)),
      {
        answerWithoutTensors: (fields) => runPair(fields, recorded),
      },
    );
  }

  /** Combines the partials of all shards to the loss: on a thread of its own where they are large. */
  combine(body: RequestBody): Answered<Evaluation> | Promise<Answered<Evaluation>> {
    const { values, mediaTypes } = requireValues(body.codec);
    const { maxJsonDepth: maxDepth } = this.#limits;
    return this.#answerWhole(body, values.maxBytes(this.#limits), async (whole, held) => {
      if (whole.byteLength <= MAX_INLINE_COMBINE_BYTES) return runInTurns(combine(values.parse(whole, maxDepth)));
      const ofValue = values.neededBytes === undefined ? 0 : await runInTurns(values.neededBytes(whole));
      held.take(ofValue + COMBINED_COPIES * whole.byteLength, 'the partials', 'combine the rows in several parts');
      const own = ownBytes(whole);
      const task = { body: own, mediaType: mediaTypes[0]!, maxDepth };
      return this.#combining.run(task, [own.buffer], body.isAbandoned);
    });
  }

  /** Answers a short body that is one plain value. */
  answerValue<A>(body: RequestBody, answerTo: (value: unknown) => A | Promise<A>): Answered<A> | Promise<Answered<A>> {
    const { values } = requireValues(body.codec);
    return this.#answerWhole(body, MAX_PLAIN_BYTES, (whole) =>
      answerTo(values.parse(whole, this.#limits.maxJsonDepth)),
    );
  }

  /** Answers a body once all of it is there. */
  #answerWhole<A>(
    body: RequestBody,
    maxBytes: number,
    answerTo: (whole: Uint8Array, held: HeldBytesAccount) => A | Promise<A>,
  ): Answered<A> | Promise<Answered<A>> {
    return runWaiting(this.#read(body, (ingest) => answerWhole(ingest, maxBytes, answerTo)));
  }

  /** Has the rows of a request evaluated as they arrive, and makes the answer from them. */
  #evaluateRows<B extends Pick<Batch, 'writer' | 'intake' | 'numpyArrays'>, A>(
    body: RequestBody,
    parameterNames: readonly string[],
    open: (pool: KernelPool, header: RequestHeader, held: HeldBytesAccount) => Steps<B>,
    answerOf: (batch: B, rows: RowResults) => A | Promise<A>,
    { labelOptional = false, answerWithoutTensors }: OptionalParts<A> = {},
  ): Answered<A> | Promise<Answered<A>> {
    const { maxJsonBytes } = this.#limits;
    return runWaiting(
      this.#read(body, ({ codec, reader, held, contentLength }) =>
        this.#evaluateInPlace(
          { codec, reader },
          {
            context: {
              held,
              optionNames: OPTION_NAMES,
              parameterNames,
              labelOptional,
              tensorsOptional: answerWithoutTensors !== undefined,
              maxJsonBytes,
              contentLength,
            },
            open: (header) => open(this.#pool, header, held),
            answerOf,
            answerWithoutTensors,
            isAbandoned: body.isAbandoned,
          },
        ),
      ),
    );
  }

  *#evaluateInPlace<B extends Pick<Batch, 'writer' | 'intake' | 'numpyArrays'>, A>(
    { codec, reader }: Pick<Ingest, 'codec' | 'reader'>,
    { context, open, answerOf, answerWithoutTensors, isAbandoned }: Plan<B, A>,
  ): Waiting<Answering<A>> {
    const started = performance.now();
    const files = this.#dataDirectory && new RequestFiles(this.#dataDirectory);
    let batch: B | undefined;
    let source: FileTensor | undefined;
    try {
      const fields = yield* readRequest(codec, reader, {
        context,
        files,
        parseJson: (text) => this.#jsonParser.parse(text, context.held, isAbandoned),
        open: (header) => {
          ({ source } = header.logits);
          requireElements(header.logits.shape, this.#limits.maxElements);
          const begun = (opened: B): LogitsIntake => {
            batch = opened;
            if (isAbandoned !== undefined) opened.writer.watch(isAbandoned);
            return opened.intake;
          };
          const opening = runInTurns(open(header));
          return opening instanceof Promise ? opening.then(begun) : begun(opening);
        },
      });
      const ingested = performance.now();
      if (fields !== undefined) {
        const timings = { ingest: ingested - started, compute: 0, reduce: 0 };
        return { answer: answerWithoutTensors!(fields), timings, numpyArrays: false };
      }
      const { writer, intake, numpyArrays } = batch!;
      if (source !== undefined) yield intake.readFrom(source);
      const rows = yield* settled(writer.finish());
      if (files?.areUsed === true) yield files.requireUnchanged();
      const evaluated = performance.now();
      const answer = yield* settled(answerOf(batch!, rows));
      const timings = {
        ingest: ingested - started,
        compute: writer.computeMs,
        reduce: performance.now() - evaluated,
      };
      return { answer, timings, numpyArrays };
    } finally {
      batch?.writer.abandon();
      if (files?.areUsed === true) yield files.close();
    }
  }

  *#read<A>(body: RequestBody, use: (ingest: Ingest) => Waiting<Answering<A>>): Waiting<Answered<A>> {
    const { contentLength } = body;
    const { maxBodyBytes } = this.#limits;
    if (contentLength !== undefined && contentLength > maxBodyBytes) {
      const detail = `Content-Length is ${contentLength}, this service accepts ${maxBodyBytes} bytes`;
      throw new LossmeterError('body_too_large', detail);
    }
    // Refuse at once, and not in a later turn.
    this.admission.requireRoom();
    // Most requests begin at once too, without a turn of the loop.
    const turn = this.turns.take();
    if (turn !== undefined) yield turn;
    const place = yield* settled(this.admission.enter(body.isAbandoned));
    try {
      return yield* this.#readInPlace(body, place, use);
    } finally {
      place.leave();
    }
  }

  *#readInPlace<A>(
    { stream, codec, contentEncoding, contentLength }: RequestBody,
    place: Place,
    use: (ingest: Ingest) => Waiting<Answering<A>>,
  ): Waiting<Answered<A>> {
    const { maxBodyBytes, maxDecompressionRatio } = this.#limits;
    const held = this.#held.open();
    const content = openContent(stream, contentEncoding, {
      maxRatio: maxDecompressionRatio,
      maxBytes: maxBodyBytes,
      held,
    });
    const { explain, check, aheadBytes, encoded } = content;
    const length = encoded ? undefined : contentLength;
    const reader = new ByteReader(content.stream, maxBodyBytes, { explain, check, aheadBytes, length });
    place.watch(new BodyProgress(reader, content));
    const ingest = { codec, reader, held, contentLength: length };
    try {
      const answering = yield* use(ingest);
      content.requireEnd();
      return { ...answering, release: () => held.close() };
    } catch (error) {
      held.close();
      throw namingFile(error, reader.beginning, codec);
    } finally {
      reader.detach();
      content.close();
    }
  }
}

/** Reads a body whole, and answers it. */
function* answerWhole<A>(
  { reader, held }: Ingest,
  maxBytes: number,
  answerTo: (whole: Uint8Array, held: HeldBytesAccount) => A | Promise<A>,
): Waiting<Answering<A>> {
  const started = performance.now();
  const runs = new HeldRuns(held, 'the body', adviceOn('the body'));
  const tooLong = (): LossmeterError =>
    new LossmeterError('body_too_large', `the body has more than ${maxBytes} bytes, expected fewer`);
  const whole = yield* runDecoding(readWhole(reader, runs, { maxBytes, tooLong }), reader);
  const ingested = performance.now();
  const answer = yield* settled(answerTo(whole, held));
  const timings = { ingest: ingested - started, compute: 0, reduce: performance.now() - ingested };
  return { answer, timings, numpyArrays: false };
}

/** Codes of bodies that cannot be read. */
const UNREADABLE: ReadonlySet<string> = new Set(['malformed_body', 'truncated_body', 'body_too_large']);

/** The error of a body that cannot be read, by the kind of file that it is where that is known. */
function namingFile(error: unknown, beginning: Uint8Array, { mediaTypes, name }: Codec): unknown {
  if (!(error instanceof LossmeterError) || !UNREADABLE.has(error.code)) return error;
  const found = kindOfFile(beginning);
  if (found === undefined) return error;
  const detail = `the body is ${found.kind}, expected ${mediaTypes[0] ?? `a request of ${name}`}; ${found.advice}`;
  return new LossmeterError('malformed_body', detail, [], { cause: error });
}

/** Calls decodeContent, and closes the account of a body that it refuses. */
function openContent(body: Readable, contentEncoding: string | undefined, options: DecodingOptions): DecodedBody {
  try {
    return decodeContent(body, contentEncoding, options);
  } catch (error) {
    options.held.close();
    throw error;
  }
}

/** @throws LossmeterError body_too_large */
function requireElements(shape: Shape, maxElements: number): void {
  const count = elementCount(shape);
  if (count !== undefined && count <= maxElements) return;
  const detail = `logits of shape ${formatShape(shape)} have ${count ?? 'more than 2^53'} elements, this service evaluates at most ${maxElements}`;
  throw new LossmeterError('body_too_large', detail);
}
