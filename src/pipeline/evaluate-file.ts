import { LossmeterError, refuse } from '../errors.ts';
import { SUMMED_OPTIONS, differingOption } from '../loss/option-rules.ts';
import { parseOptions } from '../loss/options.ts';
import type { Options } from '../loss/options.ts';
import { addSums, isFiniteLoss, meansOf, reduceRows } from '../loss/reduction.ts';
import type { RowSums } from '../loss/reduction.ts';
import { addRowCounts } from '../loss/targets.ts';
import type { KernelPool } from '../engine/pool.ts';
import { runInTurns } from '../steps.ts';
import { showValue, suggestName } from '../suggestion.ts';
import type { HeldBytes } from '../wire/body/held-bytes.ts';
import { SYNONYMS } from '../wire/request.ts';
import { LOSS_TENSORS, makeHeader } from '../batch/header.ts';
import { CROSS_ENTROPY } from '../evaluations/cross-entropy/cross-entropy.ts';
import { evaluated, planBatch } from '../evaluations/cross-entropy/plan.ts';
import type { BatchPlan } from '../evaluations/cross-entropy/plan.ts';
import type { OpenSafetensors } from '../files/safetensors-file.ts';
import { headOf, readFileFields } from './file-fields.ts';
import { reportReduction } from '../batch/report.ts';
import type { Evaluation } from '../contract/cross-entropy.ts';

/** Largest number of tensor names in a message. */
const MAX_SHOWN_NAMES = 8;

type TensorField = (typeof LOSS_TENSORS)[number];

/** Fields that a file may lack. */
const OPTIONAL = LOSS_TENSORS.filter((field) => field !== 'logits' && field !== 'label');

/** Names of tensors in a file, by field. A field without an entry has the tensor of its own name. */
export type TensorNames = Readonly<Partial<Record<TensorField, string>>>;

/** Tensor that was not read, and the optional field that its name resembles. */
interface Resemblance {
  tensor: string;
  field: TensorField;
}

/** Evaluation of a file, and the sums that combine it with other files. */
export interface FileEvaluation {
  file: string;
  /** Evaluation without output tensors, whose memory would add up over files. */
  evaluation: Omit<Evaluation, 'outputs'>;
  options: Options;
  sums: RowSums;
  leftAlone: Resemblance[];
}

export interface FileEvaluationOptions {
  /** Options, each of which replaces the same option of the file. */
  options: Readonly<Record<string, unknown>>;
  names?: TensorNames;
  held: Pick<HeldBytes, 'open'>;
  open: OpenSafetensors;
  /** Called with the number of bytes of logits once they are evaluated. */
  onRead?: (bytes: number) => void;
}

/**
 * Evaluates a safetensors file in the form of a request: tensors under their names, and options as JSON text in
 * `__metadata__.options`. The option `outputs` and other tensors are ignored. Workers read the logits.
 * @throws LossmeterError
 */
export async function evaluateFile(
  pool: KernelPool,
  path: string,
  { options, names = {}, held: heldBytes, open, onRead }: FileEvaluationOptions,
): Promise<FileEvaluation> {
  const file = await open(path);
  const held = heldBytes.open();
  let batch: BatchPlan | undefined;
  try {
    const stored = file.header.tensors.map((tensor) => tensor.name);
    for (const field of ['logits', 'label'] as const) requireTensor(field, stored, names);
    const logits = file.tensor('logits', names.logits ?? 'logits');
    const fields = await readFileFields(file, {
      path,
      names,
      options,
      held,
      tensors: LOSS_TENSORS.filter((field) => field !== 'logits'),
      kind: CROSS_ENTROPY.fields,
      requireOptions: parseOptions,
    });
    const streamed = headOf('logits', logits);
    batch = await runInTurns(planBatch(pool, makeHeader({ streamed, before: [], fields }), held));
    await batch.intake.readFrom(logits, onRead && { onRead });
    const rows = evaluated(batch, await batch.writer.finish());
    await file.requireUnchanged();
    const reduction = await runInTurns(reduceRows(rows.columns, rows.targets, rows.options, rows));
    const { outputs: _, ...evaluation } = await runInTurns(reportReduction(rows, reduction));
    return {
      file: path,
      evaluation,
      options: batch.options,
      sums: reduction.sums,
      leftAlone: resemblances(stored, names),
    };
  } finally {
    batch?.writer.abandon();
    held.close();
    await file.close();
  }
}

/** @throws LossmeterError missing_field when a required field has neither a tensor of its name nor an entry in `names` */
function requireTensor(field: 'logits' | 'label', stored: readonly string[], names: TensorNames): void {
  if (field in names || stored.includes(field)) return;
  const meant = stored.find((name) => suggestName(name, [field], SYNONYMS) === field);
  const some = stored.slice(0, MAX_SHOWN_NAMES).map((name) => showValue(name));
  if (stored.length > some.length) some.push('…');
  const hint =
    meant === undefined
      ? `; if the tensor has another name, set --tensor ${field}=NAME (in a job: "tensors": {"${field}": NAME})`
      : `, did you mean --tensor ${field}=${meant}? (In a job: "tensors": {"${field}": "${meant}"})`;
  const detail = `the field ${field} is missing: the file has the tensors ${some.join(', ') || 'none'}${hint}`;
  throw refuse('missing_field', `/${field}`, detail);
}

/** Unread tensors whose names resemble optional fields that the file lacks. */
function resemblances(stored: readonly string[], names: TensorNames): Resemblance[] {
  const missing = OPTIONAL.filter((field) => !(field in names) && !stored.includes(field));
  const read = new Set<string>([...LOSS_TENSORS, ...Object.values(names)]);
  const others = stored.filter((name) => !read.has(name));
  return missing.flatMap((field) => {
    const tensor = others.find((name) => suggestName(name, missing, SYNONYMS) === field);
    return tensor === undefined ? [] : [{ tensor, field }];
  });
}

/** Result of several files as one batch. */
export interface Total extends Pick<
  Evaluation,
  'loss' | 'numerator' | 'denominator' | 'z_loss' | 'mean_nll' | 'rows' | 'metrics'
> {
  verdict: 'finite' | 'non_finite';
}

/**
 * Adds up evaluations in their order. The total of a single file is bit-identical to its evaluation.
 * @param files at least one
 * @throws LossmeterError invalid_option when options differ that affect the sums
 */
export function addUp(files: readonly FileEvaluation[]): Total {
  const [first] = files;
  for (const other of files) requireSameOptions(first!, other);
  const sums = addSums(files.map((file) => file.sums));
  const { loss, meanNll, metrics } = meansOf(sums, first!.options);
  return {
    ...(loss === undefined ? {} : { loss }),
    numerator: sums.numerator,
    denominator: sums.denominators.loss,
    z_loss: sums.zLoss,
    mean_nll: meanNll,
    rows: addRowCounts(files.map(({ evaluation }) => evaluation.rows)),
    metrics,
    verdict: isFiniteLoss(loss, sums) ? 'finite' : 'non_finite',
  };
}

function requireSameOptions(a: FileEvaluation, b: FileEvaluation): void {
  const difference = differingOption(a.options, b.options, SUMMED_OPTIONS);
  if (difference === undefined) return;
  const { name, one, other } = difference;
  const detail = `the option ${name} is ${one} in ${a.file}, and ${other} in ${b.file}: set it for all files with --option of lossmeter evaluate (in a job: "options")`;
  throw new LossmeterError('invalid_option', detail);
}
