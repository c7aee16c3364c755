import type { LogitsIntake } from '../engine/intake.ts';
import type { KernelPool } from '../engine/pool.ts';
import { LossmeterError } from '../errors.ts';
import type { Kind, Plan } from '../evaluations/kind.ts';
import { RequestFiles } from '../files/data-directory.ts';
import type { DataDirectory } from '../files/data-directory.ts';
import { runInTurns } from '../steps.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import type { Shape } from '../tensor/shape.ts';
import { settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import type { JsonParser } from '../wire/json-text/parser.ts';
import type { ReadRequest } from '../wire/request.ts';
import type { Doorway } from './admission/doorway.ts';
import type { Answered } from './answered.ts';
import type { RequestBody } from './body.ts';
import { readRequest } from './read-request.ts';

/** Parts of the service that evaluations share. */
export interface Service {
  readonly doorway: Doorway;
  readonly pool: KernelPool;
  readonly jsonParser: JsonParser;
  /** Undefined where requests may name no files. */
  readonly dataDirectory: DataDirectory | undefined;
  readonly limits: EvaluationLimits;
}

export interface EvaluationLimits {
  maxJsonBytes: number;
  /** Elements of the streamed tensor; other tensors are held, and bounded by that. */
  maxElements: number;
}

/**
 * The whole way of a request from its bytes to its answer, which the route encodes: admission, decode, plan, rows, answer.
 * A small request whose body has come walks it in one turn of the event loop.
 */
export function* evaluate<P extends Plan, A>(
  kind: Kind<P, A>,
  request: RequestBody,
  { doorway, pool, jsonParser, dataDirectory, limits }: Service,
): Waiting<Answered<A>> {
  const { codec, isAbandoned } = request;
  const body = yield* doorway.admit(request);
  const { held, reader, contentLength } = body;
  const files = dataDirectory && new RequestFiles(dataDirectory);
  const started = performance.now();
  let plan: P | undefined;
  let source: FileTensor | undefined;
  try {
    const fields = yield* readRequest(codec, reader, {
      context: { held, fields: kind.fields, maxJsonBytes: limits.maxJsonBytes, contentLength },
      files,
      parseJson: (text) => jsonParser.parse(text, held, isAbandoned),
      open: (read: ReadRequest) => {
        ({ source } = read.streamed);
        requireElements(read.streamed.shape, limits.maxElements);
        const begin = (made: P): LogitsIntake => {
          plan = made;
          if (isAbandoned !== undefined) made.writer.watch(isAbandoned);
          return made.intake;
        };
        const planned = runInTurns(kind.plan(pool, read, held));
        return planned instanceof Promise ? planned.then(begin) : begin(planned);
      },
    });
    const ingested = performance.now();
    const timings = { ingest: ingested - started, compute: 0, reduce: 0 };
    if (fields !== undefined) {
      body.requireEnd();
      return { answer: kind.answerWithoutTensors!(fields), timings, numpyArrays: false, release: body.handOver() };
    }
    const { writer, intake, numpyArrays } = plan!;
    if (source !== undefined) yield intake.readFrom(source);
    const rows = yield* settled(writer.finish());
    if (files?.areUsed === true) yield files.requireUnchanged();
    const evaluated = performance.now();
    const answer = yield* settled(runInTurns(kind.answer(plan!, rows)));
    timings.compute = writer.computeMs;
    timings.reduce = performance.now() - evaluated;
    body.requireEnd();
    return { answer, timings, numpyArrays, release: body.handOver() };
  } catch (error) {
    throw body.explain(error);
  } finally {
    plan?.writer.abandon();
    if (files?.areUsed === true) yield files.close();
    body.close();
  }
}

/** @throws LossmeterError body_too_large */
function requireElements(shape: Shape, maxElements: number): void {
  const count = elementCount(shape);
  if (count !== undefined && count <= maxElements) return;
  const detail = `logits of shape ${formatShape(shape)} have ${count ?? 'more than 2^53'} elements, this service evaluates at most ${maxElements}`;
  throw new LossmeterError('body_too_large', detail);
}
