/** Arguments of the commands that evaluate files. */
import { loadConfig } from '../environment.ts';
import type { Config } from '../config.ts';
import { parseOptionsText } from '../wire/json-text/text.ts';
import { UsageError } from './usage.ts';

/** Arguments that these commands share, for parseArgs. */
export const SHARED_ARGUMENTS = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  kernel: { type: 'string' },
  option: { type: 'string', multiple: true },
  options: { type: 'string' },
  tensor: { type: 'string', multiple: true },
  workers: { type: 'string' },
} as const;

/** Options of an evaluation: `--options` as an object, then each `--option`. @throws UsageError */
export function readOptions({
  options,
  option = [],
}: {
  options?: string | undefined;
  option?: readonly string[] | undefined;
}): Record<string, unknown> {
  const read = { ...readObject(options), ...Object.fromEntries(option.map(readOption)) };
  if ('outputs' in read) {
    throw new UsageError('outputs are tensors, which are not printed here: post the file to the service for them');
  }
  return read;
}

/** Names of tensors by fields. @throws UsageError */
export function readTensorNames<Field extends string>(
  texts: readonly string[] | undefined,
  fields: readonly Field[],
): Partial<Record<Field, string>> {
  const names = (texts ?? []).map((text) => {
    const at = text.indexOf('=');
    const field = text.slice(0, Math.max(at, 0));
    if ((fields as readonly string[]).includes(field) && at < text.length - 1) return [field, text.slice(at + 1)];
    throw new UsageError(
      `--tensor is ${text}, expected FIELD=NAME such as label=targets, FIELD one of ${fields.join(', ')}`,
    );
  });
  return Object.fromEntries(names) as Partial<Record<Field, string>>;
}

/** Configuration from the environment, and the arguments that override it. */
export function readConfig({ workers, kernel }: { workers?: string | undefined; kernel?: string | undefined }): Config {
  return loadConfig({
    ...process.env,
    ...(workers !== undefined && { LOSSMETER_WORKERS: workers }),
    ...(kernel !== undefined && { LOSSMETER_KERNEL: kernel }),
  });
}

function readObject(text: string | undefined): object {
  if (text === undefined) return {};
  const value = parseValue(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new UsageError(`--options is ${text}, expected a JSON object such as '{"reduction": "sum"}'`);
}

function readOption(text: string): [name: string, value: unknown] {
  const at = text.indexOf('=');
  if (at <= 0) throw new UsageError(`--option is ${text}, expected NAME=VALUE such as reduction=sum`);
  return [text.slice(0, at), parseValue(text.slice(at + 1))];
}

/** Parses a value as JSON. Text that is not JSON is returned unchanged. */
function parseValue(text: string): unknown {
  try {
    return parseOptionsText(text);
  } catch {
    return text;
  }
}
