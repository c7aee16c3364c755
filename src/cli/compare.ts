import { parseArgs } from 'node:util';
import { parseComparisonOptions } from '../comparison/options.ts';
import type { Config } from '../config.ts';
import type { Comparison } from '../contract/kl-divergence.ts';
import type { ComparedColumns } from '../engine/block.ts';
import { LOGIT_FILE_MAGIC } from '../files/logit-file.ts';
import { PathFiles } from '../files/path-files.ts';
import type { FileOpener } from '../files/readable-file.ts';
import { COMPARED_TENSORS, answerFile, compareFile, mergeFiles } from '../pipeline/compare-files.ts';
import type { ComparedFile, ComparedNames } from '../pipeline/compare-files.ts';
import { LogitFileCursor } from '../pipeline/logit-file-cursor.ts';
import {
  EXIT_BAD_RESULT,
  SHARED_ARGUMENTS,
  UsageError,
  orUsageError,
  readConfig,
  readOptions,
  readTensorNames,
  runCommand,
} from './arguments.ts';
import { chunkLines, statisticsLines } from './comparison-table.ts';
import { evaluateFiles, printJson } from './evaluate-files.ts';
import { MEASURE_NAMES, failureOf, readBound } from './fail-if.ts';
import type { Bound } from './fail-if.ts';
import { findFiles } from './files.ts';
import type { FoundFile } from './files.ts';

const USAGE = `usage: lossmeter compare [options] --reference REFERENCE FILE…

Compares logits with those of a reference, without a server: KL divergence,
agreement and, with labels, perplexity, of all rows of all files together. FILE
is a safetensors file, a folder with *.safetensors files, or a quoted pattern;
in object storage s3://bucket/key, s3://bucket/folder/ or a quoted pattern. It
has the tensor logits, and optionally label, input_mask, and options as JSON
text in __metadata__.options.

REFERENCE is a llama.cpp logit file (llama-perplexity --kl-divergence-base),
whose rows the files have in the order of their names; or safetensors files, one
for each FILE, with the tensor reference or logits. Without --reference each
FILE has the tensor reference.

The table has the lines and units of llama-perplexity --kl-divergence.

  --reference PATH     as above; may be a folder or a pattern, and be repeated
  --fail-if 'NAME>N'   exit with 1 where the result is beyond a bound, also with
                       <, >= and <=; may be repeated. NAME is one of
                       ${MEASURE_NAMES.slice(0, 8).join(', ')},
                       ${MEASURE_NAMES.slice(8).join(', ')}
  --option NAME=VALUE  an option of the comparison, overrides the files; may be
                       repeated
  --options JSON       several options, as an object
  --tensor FIELD=NAME  name of the tensor for a field (logits, reference, label
                       or input_mask) when it differs; may be repeated
  --json               print one JSON document: the total, and an entry per file
  --workers N          overrides LOSSMETER_WORKERS
  --kernel VARIANT     overrides LOSSMETER_KERNEL
  -h, --help           print this

The exit code is 0 when the divergence is finite and within the bounds, 1 when
it is not, and 2 for invalid usage or a file that cannot be compared.
`;

interface Invocation {
  patterns: string[];
  references: string[];
  options: Record<string, unknown>;
  names: ComparedNames;
  bounds: Bound[];
  json: boolean;
  config: Config;
}

/** `lossmeter compare`. @returns the exit code */
export function compare(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), compareAll);
}

/** @returns undefined when help is requested */
function readArguments(args: string[]): Invocation | undefined {
  const { values, positionals: patterns } = orUsageError(() =>
    parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...SHARED_ARGUMENTS,
        reference: { type: 'string', multiple: true },
        'fail-if': { type: 'string', multiple: true },
      },
    }),
  );
  if (values.help === true) return undefined;
  if (patterns.length === 0) throw new UsageError('no file is named');
  const options = readOptions(values);
  const names = readTensorNames(values.tensor, COMPARED_TENSORS);
  const bounds = (values['fail-if'] ?? []).map(readBound);
  return orUsageError(() => {
    parseComparisonOptions(options);
    const { reference: references = [], json = false } = values;
    return { patterns, references, options, names, bounds, json, config: readConfig(values) };
  });
}

async function compareAll({ patterns, references, options, names, bounds, json, config }: Invocation): Promise<number> {
  const pathFiles = new PathFiles(config);
  const files = await findFiles(patterns, pathFiles);
  const found = references.length === 0 ? [] : await findFiles(references, pathFiles);
  const logitFile = await openLogitFile(found, pathFiles);
  try {
    if (logitFile === undefined) requireOneForEach(files, found);
    const compared = await evaluateFiles(files, config, (path, index, { pool, ...means }) =>
      compareFile(pool, path, {
        ...{ options, names, files: pathFiles, ...means },
        reference: logitFile ?? found[index]?.path,
      }),
    );
    await logitFile?.requireEnd();
    const merged = await mergeFiles(compared);
    const total = await answerFile(merged);
    const failures = bounds.map((bound) => failureOf(bound, total)).filter((failure) => failure !== undefined);
    if (json) await printJson({ total, files: await documentsOf(compared, found) });
    else printTable(merged, total, logitFile?.chunks ?? compared.map(({ plan }) => plan.targets.classes.length));
    for (const failure of failures) console.error(failure);
    return failures.length === 0 && total.diagnostics.verdict === 'finite' ? 0 : EXIT_BAD_RESULT;
  } finally {
    await logitFile?.close();
  }
}

/** Opens the reference if it is a llama.cpp logit file. @throws UsageError for several of them */
async function openLogitFile(found: readonly FoundFile[], files: PathFiles): Promise<LogitFileCursor | undefined> {
  for (const { path } of found) {
    if (!(await isLogitFile(files.opener(path)))) continue;
    if (found.length > 1) throw new UsageError(`${path} is a llama.cpp logit file, expected it as the only reference`);
    return LogitFileCursor.open(path, files);
  }
  return undefined;
}

function isLogitFile(open: FileOpener): Promise<boolean> {
  return open('a file', async (file) => {
    const first = await file.read(0, Math.min(file.size, LOGIT_FILE_MAGIC.length));
    await file.close();
    return Buffer.from(first).toString('latin1') === LOGIT_FILE_MAGIC;
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
async function documentsOf(compared: readonly ComparedFile[], references: readonly FoundFile[]): Promise<object[]> {
  const documents: object[] = [];
  for (const [index, one] of compared.entries()) {
    const reference = (references[index] ?? references[0])?.path ?? one.file;
    documents.push({ file: one.file, reference, ...(await answerFile(one)) });
  }
  return documents;
}

function printTable({ plan, results }: ComparedFile, total: Omit<Comparison, 'outputs'>, chunks: number[]): void {
  const { counted, hasLabel } = plan;
  for (const line of chunkLines(counted, results.columns as ComparedColumns, { chunks, hasLabel })) console.log(line);
  console.log(`\n${statisticsLines(total).join('\n')}`);
  if (total.diagnostics.causes.length > 0) console.log(`\n${total.diagnostics.summary}`);
}
