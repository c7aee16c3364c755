import { DiagLogLevel, diag } from '@opentelemetry/api';
import { setGlobalErrorHandler } from '@opentelemetry/core';
import type { FastifyBaseLogger } from 'fastify';

/** Milliseconds between two log lines about a collector that does not take spans. */
const REPORT_MS = 60_000;

/** Warnings and errors of the SDK: all that come before there is a log, then one a minute. */
export class Reports {
  readonly #early: string[] = [];
  #log: FastifyBaseLogger | undefined;
  #next = 0;

  constructor() {
    const ignore = (): undefined => undefined;
    const report = (...parts: unknown[]): void => this.#report(parts);
    diag.setLogger(
      { error: report, warn: report, info: ignore, debug: ignore, verbose: ignore },
      { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
    );
    setGlobalErrorHandler((error) => {
      this.#report(['spans are not exported', error instanceof Error ? error.message : undefined]);
    });
  }

  /** Logs what came so far, and what will come. */
  to(log: FastifyBaseLogger): void {
    this.#log = log;
    for (const text of this.#early.splice(0)) log.warn(text);
  }

  /** @param parts as the SDK gives them: a component gives its name first, and objects with its message */
  #report(parts: readonly unknown[]): void {
    const text = `tracing: ${parts.filter((part) => typeof part === 'string').join(': ')}`;
    if (this.#log === undefined) this.#early.push(text);
    else if (performance.now() >= this.#next) {
      this.#next = performance.now() + REPORT_MS;
      this.#log.warn(text);
    }
  }
}
