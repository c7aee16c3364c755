import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { LOSS_TENSORS } from '../batch/header.ts';
import { loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { LossmeterError } from '../errors.ts';
import { addUp, evaluateFile } from '../pipeline/evaluate-file.ts';
import type { FileEvaluation, TensorNames, Total } from '../pipeline/evaluate-file.ts';
import { parseOptions } from '../loss/options.ts';
import type { Metrics } from '../loss/reduction.ts';
import { KernelPool } from '../engine/pool.ts';
import { HeldBytes } from '../wire/body/held-bytes.ts';
import { encodeJson } from '../wire/json/reply.ts';
import { parseOptionsText } from '../wire/json-text/text.ts';
import { findFiles } from './files.ts';
import type { FoundFile } from './files.ts';
import { Progress } from './progress.ts';
import { formatNumber, formatTable } from './table.ts';

const USAGE = `usage: lossmeter evaluate [options] FILE…

Evaluates safetensors files as one batch, without a server. FILE is a file, a
folder with *.safetensors files, or a quoted pattern such as
'steps/**/*.safetensors'. A file has the fields of a request: logits, label,
optional input_mask, weight, segments, bytes and words, and options as JSON
text in __metadata__.options. Other tensors are ignored. Sums are added in the order of
the files' names.

  --option NAME=VALUE  an option of the evaluation, overrides the files; may be
                       repeated
  --options JSON       several options, as an object
  --tensor FIELD=NAME  name of the tensor for a field (logits, label, input_mask
                       or another) when it differs; may be repeated
  --json               print one JSON document: the total, and an entry per file
  --workers N          overrides LOSSMETER_WORKERS
  --kernel VARIANT     overrides LOSSMETER_KERNEL
  -h, --help           print this

The exit code is 0 when the total loss is finite, 1 when it is not, and 2 for
invalid usage or a file that cannot be evaluated.
`;

const EXIT_NON_FINITE = 1;
const EXIT_FAILED = 2;

interface Invocation {
  patterns: string[];
  options: Record<string, unknown>;
  names: TensorNames;
  json: boolean;
  config: Config;
}

/** Invalid usage. */
class UsageError extends Error {}

/** `lossmeter evaluate`. @returns the exit code */
export async function evaluate(args: string[]): Promise<number> {
  try {
    const invocation = readArguments(args);
    if (invocation === undefined) {
      console.log(USAGE);
      return 0;
    }
    const files = await findFiles(invocation.patterns);
    const evaluations = await evaluateAll(files, invocation);
    for (const { file, leftAlone } of evaluations) {
      for (const { tensor, field } of leftAlone) {
        console.error(`${file}: ${tensor} is left alone; with --tensor ${field}=${tensor} it is the ${field}`);
      }
    }
    const total = addUp(evaluations);
    if (invocation.json) await printJson(total, evaluations);
    else printTable(total, evaluations);
    return total.verdict === 'finite' ? 0 : EXIT_NON_FINITE;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(error.message);
    if (error instanceof UsageError) console.error(`\n${USAGE}`);
    return error instanceof LossmeterError && error.code === 'non_finite_loss' ? EXIT_NON_FINITE : EXIT_FAILED;
  }
}

/** @returns undefined when help is requested */
function readArguments(args: string[]): Invocation | undefined {
  const { values, positionals: patterns } = parse(args);
  if (values.help === true) return undefined;
  if (patterns.length === 0) throw new UsageError('no file is named');
  const options = { ...readObject(values.options), ...Object.fromEntries((values.option ?? []).map(readOption)) };
  const names = Object.fromEntries((values.tensor ?? []).map(readTensorName)) as TensorNames;
  if ('outputs' in options) {
    throw new UsageError('outputs are tensors, which are not printed here: post the file to the service for them');
  }
  try {
    parseOptions(options);
    const { workers, kernel } = values;
    const config = loadConfig({
      ...process.env,
      ...(workers !== undefined && { LOSSMETER_WORKERS: workers }),
      ...(kernel !== undefined && { LOSSMETER_KERNEL: kernel }),
    });
    return { patterns, options, names, json: values.json === true, config };
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        json: { type: 'boolean' },
        kernel: { type: 'string' },
        option: { type: 'string', multiple: true },
        options: { type: 'string' },
        tensor: { type: 'string', multiple: true },
        workers: { type: 'string' },
      },
    });
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
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

function readTensorName(text: string): [field: string, name: string] {
  const at = text.indexOf('=');
  const field = text.slice(0, Math.max(at, 0));
  if ((LOSS_TENSORS as readonly string[]).includes(field) && at < text.length - 1) return [field, text.slice(at + 1)];
  throw new UsageError(
    `--tensor is ${text}, expected FIELD=NAME such as label=targets, FIELD one of ${LOSS_TENSORS.join(', ')}`,
  );
}

/** Formats a value as JSON, or as plain text when no quotes are needed. */
function parseValue(text: string): unknown {
  try {
    return parseOptionsText(text);
  } catch {
    return text;
  }
}

async function evaluateAll(
  files: readonly FoundFile[],
  { config, options, names }: Invocation,
): Promise<FileEvaluation[]> {
  const pool = new KernelPool({ ...config, maxSlabBytes: config.maxBytesInFlight });
  const held = new HeldBytes(config.maxBytesInFlight);
  const progress = new Progress(
    process.stderr,
    files.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  const evaluations: FileEvaluation[] = [];
  try {
    for (const [index, { path, bytes }] of files.entries()) {
      progress.begin(`${index + 1}/${files.length} ${path}`);
      let read = 0;
      const onRead = (amount: number): void => {
        read += amount;
        progress.add(amount);
      };
      const settings = { options, names, held, maxHeaderBytes: config.maxJsonBytes, onRead };
      evaluations.push(await evaluateFile(pool, path, settings).catch((error: unknown) => nameFile(path, error)));
      progress.add(bytes - read);
    }
    return evaluations;
  } finally {
    progress.clear();
    await pool.close();
  }
}

/** Adds the name of the file to an error. */
function nameFile(path: string, error: unknown): never {
  if (!(error instanceof LossmeterError) || error.message.startsWith(path)) throw error;
  throw new LossmeterError(error.code, `${path}: ${error.message}`, error.places, { cause: error });
}

/** Result of all files; `files` has the service's answer for each file, without tensors. */
async function printJson(total: Total, evaluations: readonly FileEvaluation[]): Promise<void> {
  const files = evaluations.map(({ file, evaluation }) => ({ file, ...evaluation }));
  const text = Readable.from([...encodeJson({ total, files }), '\n']);
  try {
    await pipeline(text, process.stdout, { end: false });
  } catch (error) {
    // A reader that closes the pipe early, such as head, has read enough.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

function printTable(total: Total, evaluations: readonly FileEvaluation[]): void {
  const metrics = Object.keys(total.metrics).filter((name) => name !== 'bits_per_token') as (keyof Metrics)[];
  const head = ['file', 'rows', 'counted', 'loss', 'numerator', 'denominator', ...metrics];
  const line = (name: string, part: Omit<Total, 'verdict'>): string[] => [
    name,
    ...[part.rows.total, part.rows.counted].map(String),
    ...[part.loss, part.numerator, part.denominator, ...metrics.map((name) => part.metrics[name])].map(formatNumber),
  ];
  const rows = evaluations.map(({ file, evaluation }) => line(file, evaluation));
  console.log(formatTable(head, [...rows, line('total', total)]));
  for (const { file, evaluation } of evaluations) {
    if (evaluation.diagnostics.causes.length > 0) console.log(`${file}: ${evaluation.diagnostics.summary}`);
  }
}
