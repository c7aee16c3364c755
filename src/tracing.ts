/** Attributes of a span. Undefined ones are left out. Values of a request's body, of keys and of queries never are. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Names of the phases of an evaluation. */
export type Phase = 'admission' | 'decode' | 'rows' | 'reduce';

/** Spans of the phases of an evaluation, one after another. */
export interface Phases {
  /** Ends the phase under way, and begins another. */
  begin(phase: Phase): void;
  /** Adds attributes to the phase under way. */
  set(attributes: SpanAttributes): void;
  /** Marks the phase under way as failed. */
  fail(error: unknown): void;
  /** Ends the last phase. */
  end(): void;
}

/** A span that others refer to. */
export interface SpanPlace {
  readonly kind: 'span place';
}

/** A span around a call of a database: OpenTelemetry's conventions for it. */
export interface DatabaseCall {
  readonly system: 'postgresql' | 'sqlite';
  /** SQL with placeholders, without values. */
  readonly statement?: string;
  /** Name of the operation; by default the verb of the statement. */
  readonly operation?: string;
  readonly server?: { readonly address: string; readonly port: number; readonly database: string | undefined };
}

/** Makes spans. They belong to the request under way; without one there is no span. */
export interface Tracer {
  /** Phases of the request under way. */
  phases(): Phases | undefined;
  /** Runs work in a span. @param describe gives attributes of the result */
  span<T>(name: string, work: () => Promise<T>, describe?: (result: T) => SpanAttributes): Promise<T>;
  /** Runs a call of a database in a span. */
  call<T>(call: DatabaseCall, work: () => Promise<T>): Promise<T>;
  /** The span under way. */
  here(): SpanPlace | undefined;
  /** Runs work of several requests in a span: of the first request, with links to the spans of the others. */
  shared<T>(
    name: string,
    places: readonly (SpanPlace | undefined)[],
    attributes: SpanAttributes,
    work: () => Promise<T>,
  ): Promise<T>;
}

/** The tracer of the process; undefined where tracing is off: then nothing of OpenTelemetry is loaded. */
export const tracing: { tracer: Tracer | undefined } = { tracer: undefined };
