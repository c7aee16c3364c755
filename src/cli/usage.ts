/** Usage of the commands: their arguments, their help, and how invalid usage is reported. */
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';
import { LossmeterError } from '../errors.ts';
import { questionOf, suggestName } from '../suggestion.ts';

/** Invalid usage. */
export class UsageError extends Error {}

/** Exit codes of a result that is not finite or beyond a bound, and of a command that failed. */
export const EXIT_BAD_RESULT = 1;
const EXIT_FAILED = 2;

/**
 * Reads the arguments of a command, and runs it. Prints errors, or the usage when help is requested.
 * @param read returns undefined when help is requested
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
    console.error(error instanceof UsageError ? describeUsageError(usage, error) : error.message);
    return error instanceof LossmeterError && error.code === 'non_finite_loss' ? EXIT_BAD_RESULT : EXIT_FAILED;
  }
}

/** Describes invalid usage: the synopsis of a usage without its details, then the reason on the last line. */
export function describeUsageError(usage: string, { message }: Error): string {
  const [synopsis] = usage.slice(usage.indexOf('usage:')).split('\n\n');
  return `${synopsis!.trimEnd()}\n--help has the details.\n\n${message}`;
}

/** Runs a parser of arguments. @throws UsageError for every error of the parser */
export function orUsageError<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

/**
 * Reads arguments as parseArgs does.
 * @param suggest suggestion for the name of an unknown option; by default the nearest option
 * @throws UsageError
 */
export function parseArguments<const Settings extends ParseArgsConfig>(
  settings: Settings,
  suggest = (name: string): string | undefined => suggestOption(name, settings),
): ReturnType<typeof parseArgs<Settings>> {
  try {
    return parseArgs(settings);
  } catch (cause) {
    const { code, message } = cause as Error & { code?: string };
    const given = /^Unknown option '(.+?)'/.exec(message)?.[1];
    if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION' || given === undefined) throw new UsageError(message, { cause });
    throw new UsageError(`unknown option ${given}${questionOf(suggest(given.replace(/^-+/, '')))}`, { cause });
  }
}

/** Error for an unknown command. @param group words before the name, such as `keys` */
export function unknownCommand(name: string, known: readonly string[], group = ''): UsageError {
  return new UsageError(`unknown command ${group}${name}${questionOf(suggestName(name, known))}`);
}

function suggestOption(name: string, { options = {} }: ParseArgsConfig): string | undefined {
  const meant = suggestName(name, Object.keys(options));
  return meant === undefined ? undefined : `--${meant}`;
}
