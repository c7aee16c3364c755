/** Settings of tracing that this service reads itself. The SDK reads OpenTelemetry's other variables. */
export interface TracingSettings {
  protocol: (typeof PROTOCOLS)[number];
}

const PROTOCOLS = ['http/protobuf', 'http/json'] as const;
const ENDPOINTS = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const;
const EXPORTERS = ['otlp', 'none'] as const;
const PROPAGATORS = ['tracecontext', 'baggage', 'none'] as const;

/**
 * Reads OpenTelemetry's standard variables. Tracing is off unless an endpoint or an exporter is set.
 * @returns undefined when tracing is off
 * @throws Error that names the variable and its valid values
 */
export function tracingSettings(environment: NodeJS.ProcessEnv = process.env): TracingSettings | undefined {
  const read = (name: string): string | undefined => environment[name]?.trim() || undefined;
  if (read('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined;
  const exporter = read('OTEL_TRACES_EXPORTER');
  if (exporter === undefined && !ENDPOINTS.some(read)) return undefined;
  if (requireOneOf('OTEL_TRACES_EXPORTER', exporter ?? 'otlp', EXPORTERS) === 'none') return undefined;
  for (const one of read('OTEL_PROPAGATORS')?.split(',') ?? [])
    requireOneOf('OTEL_PROPAGATORS', one.trim(), PROPAGATORS);
  for (const one of ENDPOINTS) requireUrl(one, read(one));
  const name = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'].find((one) => read(one));
  return { protocol: name === undefined ? 'http/protobuf' : requireOneOf(name, read(name)!, PROTOCOLS) };
}

function requireOneOf<T extends string>(name: string, value: string, valid: readonly T[]): T {
  const found = valid.find((one) => one === value);
  if (found === undefined) throw new Error(`${name} is ${JSON.stringify(value)}, expected one of ${valid.join(', ')}`);
  return found;
}

/** Requires an HTTP URL. The error does not show the value, which may contain a password. */
function requireUrl(name: string, value: string | undefined): void {
  if (value === undefined) return;
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Error(`${name} is not an HTTP URL, expected http://host:port or https://host:port`);
}
