import { countedRows } from '../comparison/summary.ts';
import { parseComparisonOptions } from '../comparison/options.ts';
import type { Comparison } from '../contract/kl-divergence.ts';
import { appendFindings, noFindings } from '../diagnostics/findings.ts';
import type { Findings } from '../diagnostics/findings.ts';
import { makeComparedColumns } from '../engine/block.ts';
import type { ComparedColumns } from '../engine/block.ts';
import type { KernelPool } from '../engine/pool.ts';
import { LossmeterError, refuse } from '../errors.ts';
import { answerWithoutOutputs } from '../evaluations/kl-divergence/answer.ts';
import { KL_DIVERGENCE } from '../evaluations/kl-divergence/kl-divergence.ts';
import { planComparison } from '../evaluations/kl-divergence/plan.ts';
import type { ComparedPlan, ComparisonPlan, PlainResults } from '../evaluations/kl-divergence/plan.ts';
import type { OpenSafetensors, SafetensorsFile } from '../files/safetensors-file.ts';
import { addRowCounts, sequenceFactsOf } from '../loss/targets.ts';
import type { Targets } from '../loss/targets.ts';
import { inSteps, runInTurns } from '../steps.ts';
import type { Steps } from '../steps.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import { elementCount } from '../tensor/shape.ts';
import type { HeldBytes } from '../wire/body/held-bytes.ts';
import type { ReadRequest } from '../wire/request.ts';
import { headOf, readFileFields } from './file-fields.ts';
import { LogitFileCursor } from './logit-file-cursor.ts';

/** Tensors of a compared file that are read; others are ignored. */
export const COMPARED_TENSORS = ['logits', 'reference', 'label', 'input_mask', 'segments'] as const;

export type ComparedNames = Readonly<Partial<Record<(typeof COMPARED_TENSORS)[number], string>>>;

/** Compared rows of a file, or of several merged files. */
export interface ComparedFile {
  file: string;
  plan: ComparedPlan;
  results: PlainResults;
}

export interface CompareFileOptions {
  /** Options, each of which replaces the same option of the file. */
  options: Readonly<Record<string, unknown>>;
  names: ComparedNames;
  /** safetensors file or logit file with the reference; undefined if the compared file contains it. */
  reference: string | LogitFileCursor | undefined;
  held: Pick<HeldBytes, 'open'>;
  open: OpenSafetensors;
  /** Called with the number of bytes of logits once they are compared. */
  onRead?: (bytes: number) => void;
}

/**
 * Compares the logits of a safetensors file with a reference. The file may have label, input_mask, segments, and options as
 * JSON text in `__metadata__.options`. The reference is a tensor of this or another file, or a logit file. Workers read both.
 * @throws LossmeterError
 */
export async function compareFile(
  pool: KernelPool,
  path: string,
  { options, names, reference: given, held: heldBytes, open: openFile, onRead }: CompareFileOptions,
): Promise<ComparedFile> {
  const held = heldBytes.open();
  const opened: SafetensorsFile[] = [];
  const open = async (one: string): Promise<SafetensorsFile> => {
    const file = await openFile(one);
    opened.push(file);
    return file;
  };
  let plan: ComparisonPlan | undefined;
  try {
    const file = await open(path);
    const logits = file.tensor('logits', names.logits ?? 'logits');
    const fields = await readFileFields(file, {
      path,
      names,
      options,
      held,
      tensors: ['label', 'input_mask', 'segments'],
      kind: KL_DIVERGENCE.fields,
      requireOptions: parseComparisonOptions,
    });
    const request: ReadRequest = {
      streamed: headOf('logits', logits),
      fields,
      ...(given instanceof LogitFileCursor
        ? { before: [], logitFile: given.take(rowsIn(logits)) }
        : { before: [headOf('reference', await referenceOf(file, given, { names, open }))] }),
    };
    plan = await runInTurns(planComparison(pool, request, held));
    await plan.intake.readFrom(logits, onRead && { onRead });
    const results = await plan.writer.finish();
    for (const one of opened) await one.requireUnchanged();
    return { file: path, plan, results };
  } finally {
    plan?.writer.abandon();
    held.close();
    for (const one of opened) await one.close();
  }
}

/** Counts the rows of logits of a file. Reads only its header. @throws LossmeterError */
export async function countRows(
  path: string,
  { names, open }: Pick<CompareFileOptions, 'names' | 'open'>,
): Promise<number> {
  const file = await open(path);
  try {
    return rowsIn(file.tensor('logits', names.logits ?? 'logits'));
  } finally {
    await file.close();
  }
}

function rowsIn({ shape }: FileTensor): number {
  return elementCount(shape.slice(0, -1)) ?? 0;
}

/** Finds the tensor `reference` of a file; in a separate file also `logits`. @throws LossmeterError missing_field */
async function referenceOf(
  file: SafetensorsFile,
  path: string | undefined,
  { names, open }: { names: ComparedNames; open: OpenSafetensors },
): Promise<FileTensor> {
  const other = path === undefined ? file : await open(path);
  const stored = new Set(other.header.tensors.map(({ name }) => name));
  const candidates = path === undefined ? ['reference'] : ['reference', 'logits'];
  const name = names.reference ?? candidates.find((one) => stored.has(one));
  if (name !== undefined) return other.tensor('reference', name);
  const detail =
    path === undefined
      ? 'the file has no tensor "reference": name the file of the reference with --reference (in a job: "reference")'
      : `${path} has neither a tensor "reference" nor a tensor "logits"; if the tensor has another name, set --tensor reference=NAME (in a job: "tensors": {"reference": NAME})`;
  throw refuse('missing_field', '/reference', detail);
}

/** True if any file has segments. The answers for all files then list their sequences. */
export function haveSegments(files: readonly ComparedFile[]): boolean {
  return files.some(({ plan }) => plan.targets.segments !== undefined);
}

/** Answer for the rows of a file. @param listed lists that the answer has in addition to the statistics */
export async function answerFile(
  { plan, results }: ComparedFile,
  listed: readonly 'sequences'[] = [],
): Promise<Omit<Comparison, 'outputs'>> {
  const options = { ...plan.options, outputs: [...listed] };
  return runInTurns(answerWithoutOutputs({ ...plan, options }, results));
}

/**
 * Merges the rows of several files in their order. The answer is bit-identical to the answer for one file with all rows.
 * @param files at least one
 * @throws LossmeterError invalid_option when their options differ, or only some have labels
 */
export async function mergeFiles(files: readonly ComparedFile[]): Promise<ComparedFile> {
  return runInTurns(merged(files));
}

function* merged(files: readonly ComparedFile[]): Steps<ComparedFile> {
  const [first] = files as readonly [ComparedFile];
  for (const other of files) requireSameKind(first, other);
  const total = files.reduce((sum, { plan }) => sum + plan.targets.classes.length, 0);
  const classes = new Int32Array(total);
  const weights = files.some(({ plan }) => plan.targets.weights !== undefined)
    ? new Float64Array(total).fill(1)
    : undefined;
  const columns = makeComparedColumns(total);
  const findings = noFindings();
  const referenceFindings = noFindings();
  let at = 0;
  let nulls = 0;
  for (const { plan, results } of files) {
    const { targets, options } = plan;
    const ofFile = results.columns as ComparedColumns;
    classes.set(targets.classes, at);
    if (targets.weights !== undefined) weights!.set(targets.weights, at);
    for (const name of Object.keys(columns) as (keyof ComparedColumns)[]) {
      const [from, into] = [ofFile[name], columns[name]];
      const offset = at;
      yield* inSteps(from.length, (a, b) => into.set(from.subarray(a, b), offset + a));
    }
    appendFindings(findings, movedBy(results.findings, at), options.max_locations);
    if (results.referenceFindings !== undefined) {
      appendFindings(referenceFindings, movedBy(results.referenceFindings, at), options.max_locations);
    }
    nulls += plan.nulls;
    at += targets.classes.length;
  }
  const rows = addRowCounts(files.map(({ plan }) => plan.targets.rows));
  const labels = mergedLabels(files.map(({ plan }) => plan.targets.labels));
  const segments = haveSegments(files) ? mergedSegments(files) : undefined;
  const targets: Targets = { ...first.plan.targets, classes, weights, rows, labels, segments, outputShape: [total] };
  const counted = yield* countedRows(classes, weights);
  return {
    file: files.length === 1 ? first.file : 'total',
    plan: { ...first.plan, targets, counted, nulls },
    results: { ...first.results, columns, findings, referenceFindings },
  };
}

/** Lengths of the sequences of all files. In a file without segments, sequences lie along the axis before the classes. */
function mergedSegments(files: readonly ComparedFile[]): NonNullable<Targets['segments']> {
  const lengths = files.flatMap(({ plan }) => {
    const { count, lengthOf } = sequenceFactsOf(plan.targets);
    return Array.from({ length: count }, (_, sequence) => lengthOf(sequence));
  });
  return { lengths, shift: files[0]!.plan.options.shift };
}

/** Findings with their row indices increased by `rows`. */
function movedBy(findings: Findings, rows: number): Findings {
  const moved = <P extends { row: number }>(place: P): P => ({ ...place, row: place.row + rows });
  const causes = Object.entries(findings.causes).map(([cause, { first, ...facts }]) => [
    cause,
    { ...facts, ...(first && { first: moved(first) }) },
  ]);
  return {
    ...findings,
    worst: findings.worst.map(moved),
    locations: findings.locations.map(moved),
    causes: Object.fromEntries(causes) as Findings['causes'],
  };
}

function mergedLabels(labels: readonly Targets['labels'][]): Targets['labels'] {
  const given = labels.filter((one) => one !== undefined);
  if (given.length === 0) return undefined;
  const least = given.flatMap(({ min = [] }) => min);
  const greatest = given.flatMap(({ max = [] }) => max);
  return {
    ...(least.length > 0 && { min: Math.min(...least), max: Math.max(...greatest) }),
    out_of_range: given.reduce((sum, one) => sum + one.out_of_range, 0),
  };
}

function requireSameKind(a: ComparedFile, b: ComparedFile): void {
  const differing = (Object.keys(a.plan.options) as (keyof typeof a.plan.options)[]).find(
    (name) => JSON.stringify(a.plan.options[name]) !== JSON.stringify(b.plan.options[name]),
  );
  const invalid = (detail: string): LossmeterError => new LossmeterError('invalid_option', detail);
  if (differing !== undefined) {
    const [one, other] = [a, b].map(({ plan }) => JSON.stringify(plan.options[differing]));
    throw invalid(
      `the option ${differing} is ${one} in ${a.file}, and ${other} in ${b.file}: set it for all files with --option of lossmeter compare (in a job: "options")`,
    );
  }
  if (a.plan.hasLabel !== b.plan.hasLabel) {
    const [labelled, other] = a.plan.hasLabel ? [a, b] : [b, a];
    throw invalid(`${labelled.file} has a label, and ${other.file} has none: expected all files with labels, or none`);
  }
}
