/** Arguments of the commands that evaluate files. */
import { loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { LossmeterError } from '../errors.ts';
import { parseOptionsText } from '../wire/json-text/text.ts';

/** Invalid usage. */
export class UsageError extends Error {}

/** Exit codes of a result that is not finite or beyond a bound, and of a command that failed. */
export const EXIT_BAD_RESULT = 1;
const EXIT_FAILED = 2;

/**
 * Reads the arguments of a command, and runs it. Prints what goes wrong, or the usage when help is requested.
 * @param read gives undefined for help
 * @returns the exit code
 */
export async function runCommand<Invocation>(
  usage: string,
  read: () => Invocation | undefined,
  run: (invocation: Invocation) => Promise<number>,
): Promise<number> {
  try {
    const invocation = read();
    if (invocation !== undefined) return await run(invocation);
    console.log(usage);
    return 0;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(error.message);
    if (error instanceof UsageError) console.error(`\n${usage}`);
    return error instanceof LossmeterError && error.code === 'non_finite_loss' ? EXIT_BAD_RESULT : EXIT_FAILED;
  }
}

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

/** Runs a parser of arguments. @throws UsageError for those that it refuses */
export function orUsageError<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

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

/** Formats a value as JSON, or as plain text when no quotes are needed. */
function parseValue(text: string): unknown {
  try {
    return parseOptionsText(text);
  } catch {
    return text;
  }
}
