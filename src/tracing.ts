/** Attributes of a span; undefined ones are omitted. Values of request bodies, keys and queries are never attributes. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Names of the phases of an evaluation. */
export type Phase = 'admission' | 'decode' | 'rows' | 'reduce';

/** Spans of the phases of an evaluation, one after another. */
export interface Phases {
  /** Ends the current phase and begins another. */
  begin(phase: Phase): void;
  /** Adds attributes to the current phase. */
  set(attributes: SpanAttributes): void;
  /** Marks the current phase as failed. */
  fail(error: unknown): void;
  /** Ends the last phase. */
  end(): void;
}

/** Reference to a span, for links from other spans. */
export interface SpanPlace {
  readonly kind: 'span place';
}

/** Facts about a database call for its span, according to OpenTelemetry's conventions. */
export interface DatabaseCall {
  readonly system: 'postgresql' | 'sqlite';
  /** SQL with placeholders, without values. */
  readonly statement?: string;
  /** Name of the operation; by default the verb of the statement. */
  readonly operation?: string;
  readonly server?: { readonly address: string; readonly port: number; readonly database: string | undefined };
}

/** Makes spans of the current request. Outside of a request no span is made. */
export interface Tracer {
  /** Phases of the current request. */
  phases(): Phases | undefined;
  /** Runs work in a span. @param describe returns attributes for the result */
  span<T>(name: string, work: () => Promise<T>, describe?: (result: T) => SpanAttributes): Promise<T>;
  /** Runs a call of a database in a span. */
  call<T>(call: DatabaseCall, work: () => Promise<T>): Promise<T>;
  /** The current span. */
  here(): SpanPlace | undefined;
  /** Runs work of several requests in one span, which belongs to the first request and links to the spans of the others. */
  shared<T>(
    name: string,
    places: readonly (SpanPlace | undefined)[],
    attributes: SpanAttributes,
    work: () => Promise<T>,
  ): Promise<T>;
}

/** The tracer of the process; undefined when tracing is off. OpenTelemetry is not loaded then. */
export const tracing: { tracer: Tracer | undefined } = { tracer: undefined };
