import type { KernelPool } from '../engine/pool.ts';
import { LossmeterError } from '../errors.ts';
import type { FieldsKind, Kind, Plan } from '../evaluations/kind.ts';
import type { NamedFiles } from '../files/named-files.ts';
import { RequestFiles } from '../files/request-files.ts';
import { runInTurns } from '../steps.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import { tracing } from '../tracing.ts';
import { settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import type { JsonParser } from '../wire/json-text/parser.ts';
import type { StreamedTensor } from '../wire/request.ts';
import type { Doorway } from './admission/doorway.ts';
import type { Answered } from './answered.ts';
import type { RequestBody } from './body.ts';
import { admitted, describeRows } from './phases.ts';
import { RequestReader } from './request-reader.ts';

/** Parts of the service that evaluations share. */
export interface Service {
  readonly doorway: Doorway;
  readonly pool: KernelPool;
  readonly jsonParser: JsonParser;
  readonly namedFiles: NamedFiles;
  readonly limits: EvaluationLimits;
}

export interface EvaluationLimits {
  maxJsonBytes: number;
  /** Largest number of elements of a streamable tensor. Other tensors are bounded by the memory that requests may hold. */
  maxElements: number;
}

/**
 * Processes a request from its bytes to its answer, which the route encodes: admission, decode, plan, rows, answer. A small
 * request whose body has arrived takes one turn of the event loop.
 */
export function* evaluate<P extends Plan, A>(
  kind: Kind<P, A> | FieldsKind<A>,
  given: RequestBody,
  { doorway, pool, jsonParser, namedFiles, limits }: Service,
): Waiting<Answered<A>> {
  const phases = tracing.tracer?.phases();
  const body = yield* admitted(doorway.admit(given), phases);
  const { held, reader, contentLength } = body;
  const { codec, isAbandoned } = given;
  const files = new RequestFiles(namedFiles);
  const started = performance.now();
  const timings = { ingest: 0, compute: 0, reduce: 0 };
  let request: RequestReader | undefined;
  let plan: P | undefined;
  try {
    phases?.begin('decode');
    phases?.set({ 'lossmeter.format': codec.name });
    request = new RequestReader(codec, reader, {
      context: { held, fields: kind.fields, maxJsonBytes: limits.maxJsonBytes, contentLength },
      files,
      parseJson: (text) => jsonParser.parse(text, held, isAbandoned),
    });
    const header = yield* request.readHeader();
    if (header === undefined || kind.plan === undefined) {
      if (files.areUsed) yield files.requireUnchanged();
      phases?.begin('reduce');
      const read = performance.now();
      timings.ingest = read - started;
      const answer = yield* settled(runInTurns(kind.answerFields!(request.fields, held)));
      body.requireEnd();
      timings.reduce = performance.now() - read;
      return { answer, timings, numpyArrays: false, release: body.handOver() };
    }
    const { source } = header.streamed;
    for (const tensor of [...header.before, header.streamed]) requireElements(tensor, limits.maxElements);

    phases?.begin('rows');
    plan = yield* settled(runInTurns(kind.plan(pool, header, held)));
    const { writer, intake, numpyArrays } = plan;
    if (isAbandoned !== undefined) writer.watch(isAbandoned);

    yield* request.writeTo(intake, header.streamed);
    timings.ingest = performance.now() - started;
    if (source !== undefined) yield intake.readFrom(source);
    const rows = yield* settled(writer.finish());
    if (files.areUsed) yield files.requireUnchanged();
    timings.compute = writer.computeMs;
    phases?.set(describeRows(header.streamed, writer));

    phases?.begin('reduce');
    const evaluated = performance.now();
    const answer = yield* settled(runInTurns(kind.answer(plan, rows)));
    body.requireEnd();
    timings.reduce = performance.now() - evaluated;
    return { answer, timings, numpyArrays, release: body.handOver() };
  } catch (error) {
    const explained = body.explain(error);
    phases?.fail(explained);
    throw explained;
  } finally {
    phases?.end();
    request?.close();
    plan?.writer.abandon();
    if (files.areUsed) yield body.closeAfter(closeWhenIdle(files, plan?.writer));
    else body.close();
  }
}

/** Closes files once no worker reads them: a request may fail while its blocks are read and evaluated. */
async function closeWhenIdle(files: RequestFiles, writer: Plan['writer'] | undefined): Promise<void> {
  await files.cancelReads();
  await writer?.idle();
  await files.close();
}

/** @throws LossmeterError body_too_large */
function requireElements({ name, shape }: StreamedTensor, maxElements: number): void {
  const count = elementCount(shape);
  if (count !== undefined && count <= maxElements) return;
  const detail = `${name} of shape ${formatShape(shape)} have ${count ?? 'more than 2^53'} elements, this service evaluates at most ${maxElements}`;
  throw new LossmeterError('body_too_large', detail);
}
