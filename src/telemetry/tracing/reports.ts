import { DiagLogLevel, diag } from '@opentelemetry/api';
import { setGlobalErrorHandler } from '@opentelemetry/core';
import type { FastifyBaseLogger } from 'fastify';

/** Minimum interval between two log lines of the SDK, in milliseconds. */
const REPORT_MS = 60_000;

/** Logs warnings and errors of the SDK: all of them from before there is a log, then at most one per minute. */
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

  /** Logs the earlier and all later reports. */
  to(log: FastifyBaseLogger): void {
    this.#log = log;
    for (const text of this.#early.splice(0)) log.warn(text);
  }

  /** @param parts arguments of the SDK's logger: components give their name first, and may add objects */
  #report(parts: readonly unknown[]): void {
    const text = `tracing: ${parts.filter((part) => typeof part === 'string').join(': ')}`;
    if (this.#log === undefined) this.#early.push(text);
    else if (performance.now() >= this.#next) {
      this.#next = performance.now() + REPORT_MS;
      this.#log.warn(text);
    }
  }
}
