import { LossmeterError } from '../errors.ts';
import { OPTION_NAMES, differingOption, parseOptions } from '../loss/options.ts';
import type { Options } from '../loss/options.ts';
import { addSums, isFiniteLoss, meansOf, reduceRows } from '../loss/reduction.ts';
import type { Metrics, RowSums } from '../loss/reduction.ts';
import type { RowCounts } from '../loss/targets.ts';
import type { KernelPool } from '../pool/pool.ts';
import { runInTurns } from '../steps.ts';
import type { HeldBytes } from '../wire/held-bytes.ts';
import { readReferences } from '../wire/file-reference.ts';
import { logitsFrom, makeHeader, missingField } from '../wire/request.ts';
import { fieldsOf, requireTensorName } from '../wire/safetensors.ts';
import { openBatch } from './batch.ts';
import type { WholeBatch } from './batch.ts';
import { LocalFile } from './local-file.ts';
import { evaluated, reportReduction } from './report.ts';
import type { Evaluation } from './report.ts';

/** What names in a file are told from. */
const NAMES = { optionNames: OPTION_NAMES, parameterNames: [] };

/** A file that was evaluated, and what it is added to others by. */
export interface FileEvaluation {
  file: string;
  /** Without tensors, which would add up. */
  evaluation: Omit<Evaluation, 'outputs'>;
  options: Options;
  sums: RowSums;
}

export interface FileEvaluationOptions {
  /** Take the place of those in the file, one by one. */
  options: Readonly<Record<string, unknown>>;
  held: HeldBytes;
  maxHeaderBytes: number;
  /** Told of bytes of logits when they are evaluated. */
  onRead?: (bytes: number) => void;
}

/**
 * Evaluates a safetensors file that is a request as it would be posted: the tensors by their names, options as JSON
 * text in `__metadata__.options`, `outputs` apart. Workers read the logits.
 * @throws LossmeterError
 */
export async function evaluateFile(
  pool: KernelPool,
  path: string,
  { options, held: heldBytes, maxHeaderBytes, onRead }: FileEvaluationOptions,
): Promise<FileEvaluation> {
  const requireName = (name: string): void => requireTensorName(name, NAMES);
  const file = await LocalFile.open(path, { name: path, requireName, maxHeaderBytes });
  const held = heldBytes.open();
  let batch: WholeBatch | undefined;
  try {
    const has = (name: string): boolean => file.header.tensors.some((tensor) => tensor.name === name);
    if (!has('logits')) throw missingField('logits');
    const logits = file.tensor('logits', 'logits');
    const references = ['label', 'input_mask', 'weight']
      .filter(has)
      .map((name) => [name, { file: path, tensor: name }]);
    const tensors = await readReferences(Object.fromEntries(references) as Record<string, unknown>, {
      held,
      files: { open: async (field, { tensor }) => file.tensor(field, tensor) },
    });
    const { options: own } = fieldsOf(file.header.metadata, NAMES);
    parseOptions(own);
    const fields = { ...tensors, options: { ...(own as object | undefined), ...options, outputs: [] } };
    batch = await runInTurns(openBatch(pool, makeHeader(logitsFrom(logits), fields, NAMES), held));
    await batch.intake.readFrom(logits, onRead && { onRead });
    const rows = evaluated(batch, await batch.writer.finish());
    await file.requireUnchanged();
    const reduction = await runInTurns(reduceRows(rows.columns, rows.targets, rows.options, rows));
    const { outputs: _, ...evaluation } = await runInTurns(reportReduction(rows, reduction));
    return { file: path, evaluation, options: batch.options, sums: reduction.sums };
  } finally {
    batch?.writer.abandon();
    held.close();
    await file.close();
  }
}

/** What several files amount to as one batch. */
export interface Total {
  loss?: number;
  numerator: number;
  denominator: number;
  z_loss: number;
  mean_nll: number;
  rows: RowCounts;
  metrics: Metrics;
  verdict: 'finite' | 'non_finite';
}

/**
 * Adds evaluations up, in their order: the total of one file has the bits of the file's own evaluation.
 * @param files at least one
 * @throws LossmeterError invalid_option when their options differ
 */
export function addUp(files: readonly FileEvaluation[]): Total {
  const [first] = files;
  for (const other of files) requireSameOptions(first!, other);
  const sums = addSums(files.map((file) => file.sums));
  const { loss, meanNll, metrics } = meansOf(sums, first!.options);
  const rows: RowCounts = { total: 0, counted: 0, ignored: 0, masked: 0 };
  for (const { evaluation } of files) {
    for (const fate of Object.keys(rows) as (keyof RowCounts)[]) rows[fate] += evaluation.rows[fate];
  }
  return {
    ...(loss === undefined ? {} : { loss }),
    numerator: sums.numerator,
    denominator: sums.denominators.loss,
    z_loss: sums.zLoss,
    mean_nll: meanNll,
    rows,
    metrics,
    verdict: isFiniteLoss(loss, sums) ? 'finite' : 'non_finite',
  };
}

function requireSameOptions(a: FileEvaluation, b: FileEvaluation): void {
  const difference = differingOption(a.options, b.options);
  if (difference === undefined) return;
  const { name, one, other } = difference;
  const detail = `${name} is ${one} in ${a.file}, and ${other} in ${b.file}: give it for all of them`;
  throw new LossmeterError('invalid_option', detail);
}
