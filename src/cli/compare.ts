import { parseComparisonOptions } from '../comparison/options.ts';
import type { Config } from '../config.ts';
import type { Comparison } from '../contract/kl-divergence.ts';
import type { ComparedColumns } from '../engine/block.ts';
import { LogitFile, isLogitFile } from '../files/logit-file.ts';
import { PathFiles } from '../files/path-files.ts';
import type { FileOpener } from '../files/readable-file.ts';
import {
  COMPARED_TENSORS,
  answerFile,
  compareFile,
  countRows,
  haveSegments,
  mergeFiles,
} from '../pipeline/compare-files.ts';
import type { ComparedFile, ComparedNames } from '../pipeline/compare-files.ts';
import { LogitFileCursor } from '../pipeline/logit-file-cursor.ts';
import { saveComparison } from '../pipeline/saved-files.ts';
import { KIND_BYTES } from '../wire/body/file-kind.ts';
import { SHARED_ARGUMENTS, readConfig, readOptions, readTensorNames } from './arguments.ts';
import { chunkLines, statisticsLines } from './comparison-table.ts';
import { evaluateFiles, printJson } from './evaluate-files.ts';
import { MEASURE_NAMES, failureOf, readBound } from './fail-if.ts';
import type { Bound } from './fail-if.ts';
import { findFiles } from './files.ts';
import type { FoundFile } from './files.ts';
import { digestOf, filesOf, readShard, SHARD_ARGUMENTS, SHARD_USAGE } from './shards/shard.ts';
import type { WantedShard } from './shards/shard.ts';
import { requireWritable, writeShard } from './shards/write-shard.ts';
import { EXIT_BAD_RESULT, UsageError, orUsageError, parseArguments, runCommand } from './usage.ts';

const USAGE = `usage: lossmeter compare [options] --reference REFERENCE FILE…

Compares logits with those of a reference, without a server: KL divergence,
agreement and, with labels, perplexity, of all rows of all files together. FILE
is a safetensors file, a folder with *.safetensors files, or a quoted pattern,
local or in object storage, as s3://bucket/key. It has the tensor logits, and
optionally label, input_mask, segments, and options as JSON text in
__metadata__.options. A file that is named twice is counted once, and a message
says so.

REFERENCE is a llama.cpp logit file (llama-perplexity --kl-divergence-base),
with the rows of all files in the order of their names; or safetensors files,
one for each FILE, with the tensor reference or logits. Without --reference
each FILE has the tensor reference.

The table has the lines and units of llama-perplexity --kl-divergence.

  --reference PATH     as above; may be a folder or a pattern, and be repeated
  --fail-if 'NAME>N'   exit with code 1 when the condition is true; <, >= and <=
                       are allowed too; may be repeated. NAME is one of
                       ${MEASURE_NAMES.slice(0, 8).join(', ')},
                       ${MEASURE_NAMES.slice(8).join(', ')}
  --option NAME=VALUE  set an option of the comparison; overrides the options in
                       the files; may be repeated
  --options JSON       set several options, as a JSON object
  --tensor FIELD=NAME  name of the tensor for a field (logits, reference, label,
                       input_mask, segments) when it differs; may be repeated
  --json               print one JSON document: the total, and an entry per
                       file; with sequences where a file has segments
${SHARD_USAGE}
  --workers N          overrides LOSSMETER_WORKERS
  --kernel VARIANT     overrides LOSSMETER_KERNEL
  -h, --help           print this

The exit code is 0 when the divergence is finite and no --fail-if condition is
true, 1 otherwise, and 2 for invalid usage or a file that cannot be compared.
With --shard it is 0 when the partial is written.
`;

interface Invocation {
  patterns: string[];
  references: string[];
  options: Record<string, unknown>;
  names: ComparedNames;
  bounds: Bound[];
  shard: WantedShard | undefined;
  json: boolean;
  config: Config;
}

/** `lossmeter compare`. @returns the exit code */
export function compare(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), compareAll);
}

/** @returns undefined when help is requested */
function readArguments(args: string[]): Invocation | undefined {
  const { values, positionals: patterns } = parseArguments({
    args,
    allowPositionals: true,
    options: {
      ...SHARED_ARGUMENTS,
      ...SHARD_ARGUMENTS,
      reference: { type: 'string', multiple: true },
      'fail-if': { type: 'string', multiple: true },
    },
  });
  if (values.help === true) return undefined;
  if (patterns.length === 0) throw new UsageError('no file is named');
  const options = readOptions(values);
  const names = readTensorNames(values.tensor, COMPARED_TENSORS);
  const bounds = (values['fail-if'] ?? []).map(readBound);
  const shard = readShard(values);
  return orUsageError(() => {
    parseComparisonOptions(options);
    const { reference: references = [], json = false } = values;
    return { patterns, references, options, names, bounds, shard, json, config: readConfig(values) };
  });
}

async function compareAll(invocation: Invocation): Promise<number> {
  const { patterns, references, options, names, bounds, shard, json, config } = invocation;
  const pathFiles = new PathFiles(config);
  const open = (path: string) => pathFiles.open(path);
  const list = await findFiles(patterns, pathFiles.storage);
  // Several files can share one reference, through a link for each.
  const found = references.length === 0 ? [] : await findFiles(references, pathFiles.storage, { links: 'distinct' });
  if (shard !== undefined) await requireWritable(shard.path);
  const logitFile = await openLogitFile(found, pathFiles);
  try {
    if (logitFile === undefined) requireOneForEach(list, found);
    const files = filesOf(shard, list);
    const skipTo = logitFile && rowSkipper(list, logitFile, { names, open });
    const compared = await evaluateFiles(files, config, async (path, index, { pool, ...means }) => {
      const { place } = files[index]!;
      await skipTo?.(place);
      return compareFile(pool, path, { options, names, open, reference: logitFile ?? found[place]?.path, ...means });
    });
    await skipTo?.(list.length);
    await logitFile?.requireEnd();
    const referenceOf = (place: number): string => (found[place] ?? found[0] ?? list[place]!).path;
    const withReferences = compared.map((one, index) => ({ ...one, reference: referenceOf(files[index]!.place) }));
    if (shard === undefined) return await printComparisons(withReferences, { chunks: logitFile?.chunks, bounds, json });
    await writeShard(
      shard,
      files,
      withReferences.map(({ reference, ...one }) => ({ reference, ...saveComparison(one) })),
      {
        kind: 'comparison_shard',
        options,
        tensors: names,
        list: digestOf(list),
        ...(found.length > 0 && { references: digestOf(found) }),
        ...(logitFile && { chunks: logitFile.chunks }),
      },
    );
    return 0;
  } finally {
    await logitFile?.close();
  }
}

/** Makes a function that skips the rows of files which other shards compare, up to a place in the list. */
function rowSkipper(
  list: readonly FoundFile[],
  logitFile: LogitFileCursor,
  options: Parameters<typeof countRows>[1],
): (place: number) => Promise<void> {
  let next = 0;
  return async (place) => {
    for (; next < place; next++) logitFile.skip(await countRows(list[next]!.path, options));
    next = place + 1;
  };
}

/** A file that was compared, and the path of its reference. */
export type WithReference = ComparedFile & { reference: string };

/**
 * Prints the result of files that were compared.
 * @param chunks number of rows of each chunk of the table; by default the number of rows of each file
 * @returns the exit code
 */
export async function printComparisons(
  compared: readonly WithReference[],
  { chunks, bounds, json }: { chunks: number[] | undefined; bounds: readonly Bound[]; json: boolean },
): Promise<number> {
  const merged = await mergeFiles(compared);
  const listed = json && haveSegments(compared) ? (['sequences'] as const) : [];
  const total = await answerFile(merged, listed);
  const failures = bounds.map((bound) => failureOf(bound, total)).filter((failure) => failure !== undefined);
  if (json) await printJson({ total, files: await documentsOf(compared, listed) });
  else printTable(merged, total, chunks ?? compared.map(({ plan }) => plan.targets.classes.length));
  for (const failure of failures) console.error(failure);
  return failures.length === 0 && total.diagnostics.verdict === 'finite' ? 0 : EXIT_BAD_RESULT;
}

/** Opens the reference if it is a llama.cpp logit file. @throws UsageError when there are other references too */
async function openLogitFile(found: readonly FoundFile[], files: PathFiles): Promise<LogitFileCursor | undefined> {
  for (const { path } of found) {
    if (!isLogitFile(path, await firstBytesOf(files.opener(path)))) continue;
    if (found.length > 1) throw new UsageError(`${path} is a llama.cpp logit file: it must be the only reference`);
    return LogitFileCursor.of(path, await LogitFile.open(files.opener(path)));
  }
  return undefined;
}

function firstBytesOf(open: FileOpener): Promise<Uint8Array> {
  return open('a file', async (file) => {
    const first = await file.read(0, Math.min(file.size, KIND_BYTES));
    await file.close();
    return first;
  });
}

/** @throws UsageError */
function requireOneForEach(files: readonly FoundFile[], references: readonly FoundFile[]): void {
  if (references.length === 0 || references.length === files.length) return;
  throw new UsageError(
    `${references.length} references are named for ${files.length} files, expected one for each, or one llama.cpp logit file`,
  );
}

/** Answers by file. */
async function documentsOf(compared: readonly WithReference[], listed: readonly 'sequences'[]): Promise<object[]> {
  const documents: object[] = [];
  for (const one of compared) {
    documents.push({ file: one.file, reference: one.reference, ...(await answerFile(one, listed)) });
  }
  return documents;
}

function printTable({ plan, results }: ComparedFile, total: Omit<Comparison, 'outputs'>, chunks: number[]): void {
  const { counted, hasLabel } = plan;
  for (const line of chunkLines(counted, results.columns as ComparedColumns, { chunks, hasLabel })) console.log(line);
  console.log(`\n${statisticsLines(total).join('\n')}`);
  if (total.diagnostics.causes.length > 0) console.log(`\n${total.diagnostics.summary}`);
}
