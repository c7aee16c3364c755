import { LOSS_TENSORS } from '../batch/header.ts';
import type { Config } from '../config.ts';
import { PathFiles } from '../files/path-files.ts';
import { parseOptions } from '../loss/options.ts';
import type { Metrics } from '../loss/reduction.ts';
import { addUp, evaluateFile } from '../pipeline/evaluate-file.ts';
import type { FileEvaluation, TensorNames, Total } from '../pipeline/evaluate-file.ts';
import { saveEvaluation } from '../pipeline/saved-files.ts';
import { SHARED_ARGUMENTS, readConfig, readOptions, readTensorNames } from './arguments.ts';
import { evaluateFiles, printJson } from './evaluate-files.ts';
import { findFiles } from './files.ts';
import { digestOf, filesOf, readShard, SHARD_ARGUMENTS, SHARD_USAGE } from './shards/shard.ts';
import type { WantedShard } from './shards/shard.ts';
import { requireWritable, writeShard } from './shards/write-shard.ts';
import { formatNumber, formatTable } from './table.ts';
import { EXIT_BAD_RESULT, UsageError, orUsageError, parseArguments, runCommand } from './usage.ts';

const USAGE = `usage: lossmeter evaluate [options] FILE…

Evaluates safetensors files as one batch, without a server. FILE is a file, a
folder with *.safetensors files, or a quoted pattern such as
'steps/**/*.safetensors'; in object storage s3://bucket/key, s3://bucket/folder/
or 's3://bucket/steps/*.safetensors'. A file has the fields of a request:
logits, label, optional input_mask, weight, segments, bytes and words, and
options as JSON text in __metadata__.options. Other tensors are ignored. Sums
are added in the order of the files' names. A file that is named twice is
counted once, and a message says so.

  --option NAME=VALUE  set an option of the evaluation; overrides the options in
                       the files; may be repeated
  --options JSON       set several options, as a JSON object
  --tensor FIELD=NAME  name of the tensor for a field (logits, label, input_mask
                       or another) when it differs; may be repeated
  --json               print one JSON document: the total, and an entry per file
${SHARD_USAGE}
  --workers N          overrides LOSSMETER_WORKERS
  --kernel VARIANT     overrides LOSSMETER_KERNEL
  -h, --help           print this

The exit code is 0 when the total loss is finite, 1 when it is not, and 2 for
invalid usage or a file that cannot be evaluated. With --shard it is 0 when the
partial is written.
`;

interface Invocation {
  patterns: string[];
  options: Record<string, unknown>;
  names: TensorNames;
  shard: WantedShard | undefined;
  json: boolean;
  config: Config;
}

/** `lossmeter evaluate`. @returns the exit code */
export function evaluate(args: string[]): Promise<number> {
  return runCommand(USAGE, () => readArguments(args), evaluateAll);
}

async function evaluateAll({ patterns, config, options, names, shard, json }: Invocation): Promise<number> {
  const pathFiles = new PathFiles(config);
  const list = await findFiles(patterns, pathFiles.storage);
  if (shard !== undefined) await requireWritable(shard.path);
  const files = filesOf(shard, list);
  const evaluations = await evaluateFiles(files, config, (path, _index, { pool, ...means }) =>
    evaluateFile(pool, path, { options, names, open: (one) => pathFiles.open(one), ...means }),
  );
  for (const { file, leftAlone } of evaluations) {
    for (const { tensor, field } of leftAlone) {
      console.error(`${file}: ${tensor} is ignored; --tensor ${field}=${tensor} uses it as the ${field}`);
    }
  }
  if (shard === undefined) return printEvaluations(evaluations, json);
  await writeShard(shard, files, evaluations.map(saveEvaluation), {
    kind: 'evaluation_shard',
    options,
    tensors: names,
    list: digestOf(list),
  });
  return 0;
}

/** Prints the result of files that were evaluated. @returns the exit code */
export async function printEvaluations(evaluations: readonly FileEvaluation[], json: boolean): Promise<number> {
  const total = addUp(evaluations);
  // `files` has the service's answer for each file, without tensors.
  const documents = evaluations.map(({ file, evaluation }) => ({ file, ...evaluation }));
  if (json) await printJson({ total, files: documents });
  else printTable(total, evaluations);
  return total.verdict === 'finite' ? 0 : EXIT_BAD_RESULT;
}

/** @returns undefined when help is requested */
function readArguments(args: string[]): Invocation | undefined {
  const { values, positionals: patterns } = parseArguments({
    args,
    allowPositionals: true,
    options: { ...SHARED_ARGUMENTS, ...SHARD_ARGUMENTS },
  });
  if (values.help === true) return undefined;
  if (patterns.length === 0) throw new UsageError('no file is named');
  const options = readOptions(values);
  const names = readTensorNames(values.tensor, LOSS_TENSORS);
  const shard = readShard(values);
  return orUsageError(() => {
    parseOptions(options);
    return { patterns, options, names, shard, json: values.json === true, config: readConfig(values) };
  });
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
