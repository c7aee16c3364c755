/** A trace collector: an OTLP/HTTP server that accepts JSON and keeps the spans. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

type Value = string | number | boolean | undefined;

export interface CollectedSpan {
  name: string;
  /** 1 internal, 2 server, 3 client. */
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  startMs: number;
  endMs: number;
  attributes: Readonly<Record<string, Value>>;
  /** 0 unset, 2 error. */
  status: { code: number; message?: string };
  links: readonly { traceId: string; spanId: string }[];
  events: readonly unknown[];
  resource: Readonly<Record<string, Value>>;
}

interface Attribute {
  key: string;
  value: { stringValue?: string; intValue?: number | string; doubleValue?: number; boolValue?: boolean };
}

interface OtlpSpan {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: Attribute[];
  status?: { code?: number; message?: string };
  links?: { traceId: string; spanId: string }[];
  events?: unknown[];
}

interface Export {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: OtlpSpan[] }[] }[];
}

const WITHIN_MS = 15_000;

export class Collector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  /** Text of all received bodies. */
  text = '';
  requests = 0;
  readonly #server: Server;

  private constructor(answer: (request: IncomingMessage, response: ServerResponse) => void) {
    this.#server = createServer((request, response) => {
      this.requests++;
      void this.#take(request).then(() => answer(request, response));
    });
  }

  /** @param answer writes the answer, and may wait or fail; default success */
  static async start(
    answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => {
      response.setHeader('content-type', 'application/json').end('{}');
    },
  ): Promise<Collector> {
    const collector = new Collector(answer);
    await once(collector.#server.listen(0, '127.0.0.1'), 'listening');
    return collector;
  }

  /** Environment variables of a service that exports its spans here, with a short delay. */
  get environment(): Record<string, string> {
    const { port } = this.#server.address() as AddressInfo;
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    };
  }

  /** Waits until the request span of a trace has arrived. @returns the trace */
  async trace(traceId: string): Promise<Trace> {
    for (const end = performance.now() + WITHIN_MS; ; await sleep(20)) {
      const spans = this.spans.filter((span) => span.traceId === traceId);
      if (spans.some(({ kind }) => kind === 2)) return new Trace(spans);
      if (performance.now() > end) throw new Error(`no trace ${traceId} came, only ${this.spans.length} other spans`);
    }
  }

  async #take(request: IncomingMessage): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    this.text += text;
    if (request.headers['content-type'] !== 'application/json') return;
    for (const { resource, scopeSpans } of (JSON.parse(text) as Export).resourceSpans) {
      const ofResource = attributesOf(resource.attributes);
      for (const { spans } of scopeSpans) this.spans.push(...spans.map((span) => collected(span, ofResource)));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** The spans of a trace. */
export class Trace {
  readonly spans: readonly CollectedSpan[];

  constructor(spans: readonly CollectedSpan[]) {
    this.spans = spans;
  }

  /** The span of the request. */
  get request(): CollectedSpan {
    return this.spans.find(({ kind }) => kind === 2)!;
  }

  named(name: string): CollectedSpan {
    const found = this.spans.filter((span) => span.name === name);
    if (found.length !== 1) throw new Error(`${found.length} spans ${name} among ${this.tree.join(', ')}`);
    return found[0]!;
  }

  /** Paths of span names, such as `parent > child`: depth first, children ordered by their starts. */
  get tree(): string[] {
    const ids = new Set(this.spans.map(({ spanId }) => spanId));
    const roots = this.spans.filter(({ parentSpanId }) => parentSpanId === undefined || !ids.has(parentSpanId));
    return roots.flatMap((root) => this.#pathsFrom(root, ''));
  }

  #pathsFrom({ name, spanId }: CollectedSpan, above: string): string[] {
    const path = above + name;
    // Starts are whole milliseconds. Spans with the same start stay in the order of arrival, which is the order of their ends.
    const children = this.spans
      .filter(({ parentSpanId }) => parentSpanId === spanId)
      .toSorted((a, b) => a.startMs - b.startMs);
    return [path, ...children.flatMap((child) => this.#pathsFrom(child, `${path} > `))];
  }
}

function collected(span: OtlpSpan, resource: CollectedSpan['resource']): CollectedSpan {
  const { name, kind, traceId, spanId, parentSpanId, links = [], events = [], status } = span;
  return {
    ...{ name, kind, traceId, spanId, parentSpanId, links, events, resource },
    startMs: Number(span.startTimeUnixNano) / 1e6,
    endMs: Number(span.endTimeUnixNano) / 1e6,
    attributes: attributesOf(span.attributes ?? []),
    status: { code: 0, ...status },
  };
}

function attributesOf(attributes: readonly Attribute[]): Record<string, Value> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, doubleValue, boolValue } }) => [
      key,
      stringValue ?? (intValue === undefined ? undefined : Number(intValue)) ?? doubleValue ?? boolValue,
    ]),
  );
}
