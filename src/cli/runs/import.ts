import { stat } from 'node:fs/promises';
import { CSV_FIELDS } from '../../import/csv.ts';
import { readCount } from '../../import/numbers.ts';
import { FORMATS, FORMAT_NAMES } from '../../import/formats.ts';
import type { ReadOptions } from '../../import/format.ts';
import { readHead } from '../../import/growing-file.ts';
import { importSources } from '../../import/importer.ts';
import type { Sink } from '../../import/importer.ts';
import { findSources } from '../../import/sources.ts';
import type { Source, SourceChoices } from '../../import/sources.ts';
import { lossTagsOf } from '../../import/tensorboard/losses.ts';
import { suggestName } from '../../suggestion.ts';
import { Progress } from '../progress.ts';
import { formatTable } from '../table.ts';
import { BulkSender } from './bulk-sender.ts';
import { printable } from './list.ts';
import { ItemPrinter } from './item-printer.ts';
import { RemoteService, SERVICE_ARGUMENTS, SERVICE_USAGE } from './service.ts';
import { EXIT_BAD_RESULT, UsageError, parseArguments, runCommand } from '../usage.ts';

const USAGE = `usage: lossmeter runs import [options] PATH…

Records what a trainer has written in files. PATH is a file, or a folder, which
is searched with its subfolders. Formats:

${FORMATS.map(({ name, title }) => `  ${name.padEnd(12)} ${title}`).join('\n')}

Each folder with event files of TensorBoard is a run, named by its path in PATH.
Every other import is one run. Importing a file again changes nothing. Wall
times are not recorded.

  --run NAME           name of the run; event files in a subfolder of PATH
                       belong to the run NAME/subfolder
  --format FORMAT      format of the files, when it is not recognised
  --loss NAME          tag, key or column of the loss; by default a usual name,
                       such as loss, train/loss or "lm loss"
  --exclude PATTERN    regular expression of TensorBoard tags to leave out; by
                       default ' vs samples$', whose steps count samples
  --map FIELD=COLUMN   column of CSV for a field; may be repeated. FIELD is
                       ${CSV_FIELDS.slice(0, 5).join(', ')},
                       ${CSV_FIELDS.slice(5).join(', ')}
  --rank N             rank of items without a rank; default: 0, for mindformers
                       the number in a path such as rank_3
  --rank-pattern P     regular expression; its group matches the rank in a path
  --attempt N          attempt of the first items, by default 0; a trainer that
                       goes back to an earlier step begins the next attempt
  --follow             continue with data that is appended, until SIGINT or
                       SIGTERM
  --dry-run            print the items as NDJSON, and record nothing
  --json               print the counts as JSON
${SERVICE_USAGE}

The exit code is 0 when all items are recorded, 1 when some were refused, and 2
when the import failed.
`;

/** Maximum number of refused parts that are printed. */
const MOST_PRINTED = 20;

/** Bytes at the start of an event file that are searched for the usual names of the loss. */
const SURVEYED_BYTES = 16 * 2 ** 20;

interface Invocation {
  paths: string[];
  choices: SourceChoices;
  options: Omit<ReadOptions, 'rank'>;
  follow: boolean;
  dryRun: boolean;
  json: boolean;
  url: string | undefined;
}

/** `lossmeter runs import`. @returns the exit code */
export function importRuns(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), runImport);
}

async function runImport({ paths, choices, options, follow, dryRun, json, url }: Invocation): Promise<number> {
  const stop = new AbortController();
  const service = new RemoteService({ url, ...(follow && { retries: Infinity, signal: stop.signal }) });
  const find = () => findSources(paths, choices);
  const sources = await find();
  if (sources.length === 0) console.error(`note: waiting for files in ${paths.join(', ')}`);
  if (options.loss === undefined) await requireOneLoss(sources);

  const note = (text: string): void => console.error(`note: ${text}`);
  const sender = new BulkSender(service, note);
  const sink: Sink = dryRun ? new ItemPrinter(process.stdout, sender) : sender;
  const progress = follow || dryRun ? undefined : new Progress(process.stderr, await bytesOf(sources));
  progress?.begin(`${sources.length} ${sources.length === 1 ? 'file' : 'files'}`);
  const end = (): void => stop.abort();
  if (follow) for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end);
  try {
    await importSources(sources, sink, {
      options,
      onRead: (bytes) => progress?.add(bytes),
      ...(follow && { follow: { find, signal: stop.signal } }),
    });
  } finally {
    progress?.clear();
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, end);
    if (json && !dryRun) printJson(sender);
    else print(sender, { hasCounts: !dryRun });
  }
  for (const [run, { losses }] of dryRun ? [] : sender.counts) {
    if (losses === 0) note(`no loss was found for ${run}: --loss NAME gives its tag, key or column`);
  }
  return sender.refused > 0 ? EXIT_BAD_RESULT : 0;
}

/** @throws Error when event files of a run have several tags that may be the loss */
async function requireOneLoss(sources: readonly Source[]): Promise<void> {
  const runs = Map.groupBy(
    sources.filter(({ format }) => format.name === 'tensorboard'),
    ({ run }) => run,
  );
  for (const [run, files] of runs) {
    const heads = [];
    for (const { path } of files) heads.push(await readHead(path, SURVEYED_BYTES));
    const tags = lossTagsOf(heads);
    if (tags.length > 1) throw new Error(`${run} has several losses, ${tags.join(', ')}: --loss NAME chooses one`);
  }
}

async function bytesOf(sources: readonly Source[]): Promise<number> {
  const sizes = await Promise.all(sources.map(async ({ path }) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

function printJson({ counts, refusals }: BulkSender): void {
  const runs = [...counts].map(([run, { recorded, repeated, superseded, refused }]) => ({
    run,
    recorded,
    repeated,
    superseded,
    refused,
  }));
  console.log(JSON.stringify({ runs, refusals }, null, 2));
}

function print({ counts, refusals, refused }: BulkSender, { hasCounts }: { hasCounts: boolean }): void {
  const rows = [...counts].map(([run, { recorded, repeated, superseded, refused: count }]) => [
    printable(run),
    ...[recorded, repeated, superseded, count].map(String),
  ]);
  if (hasCounts) console.log(formatTable(['run', 'recorded', 'repeated', 'superseded', 'refused'], rows));
  for (const { place, code, detail } of refusals.slice(0, MOST_PRINTED)) {
    console.error(printable(`${place}: ${code}: ${detail}`));
  }
  if (refused > MOST_PRINTED) console.error(`and ${refused - MOST_PRINTED} more that were refused`);
}

/** @throws UsageError */
function readArguments(args: string[]): Invocation | undefined {
  const { values, positionals } = parseArguments({
    args,
    allowPositionals: true,
    options: {
      ...SERVICE_ARGUMENTS,
      attempt: { type: 'string' },
      'dry-run': { type: 'boolean' },
      exclude: { type: 'string' },
      follow: { type: 'boolean' },
      format: { type: 'string' },
      loss: { type: 'string' },
      map: { type: 'string', multiple: true },
      rank: { type: 'string' },
      'rank-pattern': { type: 'string' },
      run: { type: 'string' },
    },
  });
  if (values.help === true) return undefined;
  if (positionals.length === 0) throw new UsageError('no file or folder is named');
  const pattern = values['rank-pattern'];
  return {
    paths: positionals,
    choices: {
      format: readFormat(values.format),
      run: values.run,
      rank: readNumber('rank', values.rank),
      rankPattern: pattern === undefined ? undefined : readPattern('rank-pattern', pattern),
      mayBeEmpty: values.follow === true,
    },
    options: {
      loss: values.loss,
      attempt: readNumber('attempt', values.attempt) ?? 0,
      excluded: readPattern('exclude', values.exclude ?? ' vs samples$'),
      columns: readColumns(values.map),
    },
    follow: values.follow === true,
    dryRun: values['dry-run'] === true,
    json: values.json === true,
    url: values.url,
  };
}

function readFormat(name: string | undefined): SourceChoices['format'] {
  if (name === undefined) return undefined;
  const format = FORMATS.find((known) => known.name === name);
  if (format !== undefined) return format;
  const meant = suggestName(name, FORMAT_NAMES);
  const hint = meant === undefined ? `expected one of ${FORMAT_NAMES.join(', ')}` : `did you mean ${meant}?`;
  throw new UsageError(`--format is ${name}, ${hint}`);
}

function readNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = readCount(text);
  if (value === undefined) throw new UsageError(`--${name} is ${text}, expected an integer that is at least 0`);
  return value;
}

function readPattern(name: string, text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageError(`--${name}: ${(error as Error).message}`, { cause: error });
  }
}

function readColumns(texts: readonly string[] = []): Record<string, string> {
  const columns = texts.map((text): [string, string] => {
    const at = text.indexOf('=');
    const field = text.slice(0, Math.max(at, 0));
    if ((CSV_FIELDS as readonly string[]).includes(field) && at < text.length - 1) return [field, text.slice(at + 1)];
    throw new UsageError(`--map is ${text}, expected FIELD=COLUMN, FIELD one of ${CSV_FIELDS.join(', ')}`);
  });
  return Object.fromEntries(columns);
}
