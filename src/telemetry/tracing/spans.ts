import { SpanKind, SpanStatusCode, context, trace } from '@opentelemetry/api';
import type { Attributes, Context, Span, Tracer as SpanMaker } from '@opentelemetry/api';
import {
  ATTR_DB_NAMESPACE,
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_QUERY_TEXT,
  ATTR_DB_SYSTEM_NAME,
  ATTR_ERROR_TYPE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from '@opentelemetry/semantic-conventions';
import { LossmeterError } from '../../errors.ts';
import type { DatabaseCall, Phase, Phases, SpanAttributes, SpanPlace, Tracer } from '../../tracing.ts';

/** A span and its context. */
class Place implements SpanPlace {
  readonly kind = 'span place';
  readonly context: Context;
  readonly span: Span;

  constructor(context: Context, span: Span) {
    this.context = context;
    this.span = span;
  }
}

/** Makes spans below the span of the current request. A request that is not sampled, or was answered, gets no spans. */
export class RequestTracer implements Tracer {
  readonly #maker: SpanMaker;

  constructor(maker: SpanMaker) {
    this.#maker = maker;
  }

  phases(): Phases | undefined {
    const place = this.here();
    return place && new SpanPhases(this.#maker, place.context);
  }

  here(): Place | undefined {
    const active = context.active();
    const span = trace.getSpan(active);
    return span?.isRecording() === true ? new Place(active, span) : undefined;
  }

  async span<T>(name: string, work: () => Promise<T>, describe?: (result: T) => SpanAttributes): Promise<T> {
    const place = this.here();
    if (place === undefined) return work();
    const span = this.#maker.startSpan(name, {}, place.context);
    return within(span, place.context, work, describe);
  }

  async call<T>(call: DatabaseCall, work: () => Promise<T>): Promise<T> {
    const place = this.here();
    if (place === undefined) return work();
    const { system, statement, server, operation = verbOf(statement!) } = call;
    const attributes = withoutUndefined({
      [ATTR_DB_SYSTEM_NAME]: system,
      [ATTR_DB_OPERATION_NAME]: operation,
      [ATTR_DB_QUERY_TEXT]: statement,
      [ATTR_DB_NAMESPACE]: server?.database,
      [ATTR_SERVER_ADDRESS]: server?.address,
      [ATTR_SERVER_PORT]: server?.port,
    });
    const name = server?.database === undefined ? operation : `${operation} ${server.database}`;
    const span = this.#maker.startSpan(name, { kind: SpanKind.CLIENT, attributes }, place.context);
    return within(span, place.context, work);
  }

  async shared<T>(
    name: string,
    places: readonly (SpanPlace | undefined)[],
    attributes: SpanAttributes,
    work: () => Promise<T>,
  ): Promise<T> {
    const [first, ...others] = places.filter((place) => place instanceof Place);
    // The queue may still run in the context of an answered request.
    if (first === undefined) return context.with(trace.deleteSpan(context.active()), work);
    const options = {
      attributes: withoutUndefined(attributes),
      links: others.map((other) => ({ context: other.span.spanContext() })),
    };
    const span = this.#maker.startSpan(name, options, first.context);
    for (const other of others) other.span.addLink({ context: span.spanContext() });
    return within(span, first.context, work);
  }
}

class SpanPhases implements Phases {
  readonly #maker: SpanMaker;
  readonly #context: Context;
  #span: Span | undefined;

  constructor(maker: SpanMaker, parent: Context) {
    this.#maker = maker;
    this.#context = parent;
  }

  begin(phase: Phase): void {
    this.end();
    this.#span = this.#maker.startSpan(phase, {}, this.#context);
  }

  set(attributes: SpanAttributes): void {
    this.#span?.setAttributes(withoutUndefined(attributes));
  }

  fail(error: unknown): void {
    if (this.#span !== undefined) markFailed(this.#span, error);
  }

  end(): void {
    this.#span?.end();
    this.#span = undefined;
  }
}

async function within<T>(
  span: Span,
  parent: Context,
  work: () => Promise<T>,
  describe?: (result: T) => SpanAttributes,
): Promise<T> {
  try {
    const result = await context.with(trace.setSpan(parent, span), work);
    if (describe !== undefined) span.setAttributes(withoutUndefined(describe(result)));
    return result;
  } catch (error) {
    markFailed(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Marks a span as failed, with the kind of the error. The message is left out: it may quote a value of the request. */
function markFailed(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.setAttribute(ATTR_ERROR_TYPE, error instanceof LossmeterError ? error.code : (error as Error).name);
}

const verbOf = (statement: string): string => /\w+/.exec(statement)![0].toUpperCase();

function withoutUndefined(attributes: SpanAttributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
