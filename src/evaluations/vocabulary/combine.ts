import { LossmeterError, refuse } from '../../errors.ts';
import { denominatorsOf } from '../../loss/denominators.ts';
import { gradientCoefficients } from '../../loss/gradient.ts';
import { SHARED_OPTIONS, differingOption, requireChangeable, requireShardable } from '../../loss/option-rules.ts';
import { parseOptions, smoothingOf } from '../../loss/options.ts';
import { withoutNulls } from '../../option-reader.ts';
import type { Options } from '../../loss/options.ts';
import { isClassWeight } from '../../loss/operands.ts';
import { requireDivisible } from '../../loss/parallel.ts';
import { mergePartials } from '../../loss/partials.ts';
import { statisticsOf } from '../../loss/requested.ts';
import { mergeGradientNorms } from '../../statistics/gradient-norm.ts';
import type { Steps } from '../../steps.ts';
import { pointerTo, showValue, suggestName } from '../../suggestion.ts';
import { formatShape, sameShape } from '../../tensor/shape.ts';
import { decodePartial } from './partial-object.ts';
import type { ReadPartial } from './partial-object.ts';
import { MAX_PARTIALS } from '../../contract/limits.ts';
import { report } from '../../batch/report.ts';
import type { Evaluation } from '../../contract/cross-entropy.ts';

/** Fields of a request to combine partials. */
export const COMBINE_FIELDS = ['partials', 'options'];

/**
 * Merges the partials of all shards of a vocabulary. The answer equals, up to rounding, the answer of one evaluation of
 * the whole rows.
 * @param request {"partials": [object, …], "options"?}, as decoded
 * @throws LossmeterError invalid_partial, partials_mismatch, invalid_option
 */
export function* combine(request: unknown): Steps<Evaluation> {
  const { partials: given, options: changes } = readRequest(request);
  const partials = given.map(decodePartial).toSorted((a, b) => a.vocabulary.start - b.vocabulary.start);
  const [first] = partials;
  for (const other of partials) requireSameBatch(first!, other, given.length);
  requireWholeVocabulary(partials);

  const options = changeOptions(first!.options, changes, { probabilities: first!.targets.probabilities !== undefined });
  const classes = first!.vocabulary.size;
  requireClassWeights(partials, options);
  const statistics = statisticsOf(first!.options, first!.targets);
  const { targets, columns, findings, shards } = mergePartials(partials, statistics, options.max_locations);
  requireDivisible(options, targets.classes.length, classes);
  const smoothing = smoothingOf(options, classes);
  const denominators = yield* denominatorsOf(targets);
  if (options.check_for_nan_in_loss_and_grad) {
    const coefficients = yield* gradientCoefficients(targets, options, { classes, smoothing, denominators });
    const whole = { ...columns, classWeights: targets.classWeights, classes, scale: options.logit_scale };
    columns.gradientNorms = mergeGradientNorms(shards, whole, coefficients);
  }
  const kernel = [...new Set(partials.map((partial) => partial.kernel))].toSorted().join('+');
  const nulls = partials.reduce((sum, partial) => sum + partial.nulls, 0);
  return yield* report({
    options,
    targets,
    columns,
    findings,
    classes,
    smoothing,
    denominators,
    statistics,
    nulls,
    kernel,
    gradient: undefined,
  });
}

function readRequest(request: unknown): { partials: unknown[]; options: unknown } {
  if (typeof request !== 'object' || request === null || Array.isArray(request) || request instanceof Uint8Array) {
    throw new LossmeterError('malformed_body', `the body is ${showValue(request)}, expected {"partials", "options"?}`);
  }
  for (const name of Object.keys(request)) {
    if (COMBINE_FIELDS.includes(name)) continue;
    const meant = suggestName(name, COMBINE_FIELDS, { partial: 'partials', shards: 'partials' });
    const hint = meant === undefined ? `; known fields are ${COMBINE_FIELDS.join(', ')}` : `, did you mean ${meant}?`;
    throw refuse('unknown_field', pointerTo(name), `unknown field ${showValue(name)}${hint}`);
  }
  const { partials, options } = request as { partials?: unknown; options?: unknown };
  if (partials === undefined || partials === null) {
    throw refuse('missing_field', '/partials', 'the field partials is missing: expected a list of partials');
  }
  if (!Array.isArray(partials) || partials.length === 0 || partials.length > MAX_PARTIALS) {
    const came = Array.isArray(partials) ? `${partials.length} partials` : showValue(partials);
    throw refuse('invalid_partial', '/partials', `partials is ${came}, expected a list of 1 to ${MAX_PARTIALS}`);
  }
  return { partials, options };
}

/** @throws LossmeterError partials_mismatch */
function requireSameBatch(a: ReadPartial, b: ReadPartial, count: number): void {
  const mismatch = (what: string): Error =>
    refuse('partials_mismatch', '/partials', `the ${count} partials do not belong together: ${what}`);
  const [from, to] = [nameOf(a), nameOf(b)];
  if (a.vocabulary.size !== b.vocabulary.size) {
    throw mismatch(`vocab_size is ${a.vocabulary.size} in ${from}, and ${b.vocabulary.size} in ${to}`);
  }
  if (!sameShape(a.shape, b.shape)) {
    throw mismatch(`the rows have shape ${formatShape(a.shape)} in ${from}, and ${formatShape(b.shape)} in ${to}`);
  }
  const option = differingOption(a.options, b.options, SHARED_OPTIONS);
  if (option !== undefined) {
    throw mismatch(`options.${option.name} is ${option.one} in ${from}, and ${option.other} in ${to}`);
  }
  if ((a.targets.probabilities === undefined) !== (b.targets.probabilities === undefined)) {
    throw mismatch(`only one of ${from} and ${to} has class probabilities`);
  }
  if ((a.targets.classWeights === undefined) !== (b.targets.classWeights === undefined)) {
    throw mismatch(`only one of ${from} and ${to} has class weights`);
  }
  const rows = a.targets.classes;
  const label = rows.findIndex((y, row) => y !== b.targets.classes[row]);
  if (label >= 0) throw mismatch(`the label or mask of row ${label} differs in ${from} and ${to}`);
  const mask = rows.findIndex((_, row) => (a.targets.weights?.[row] ?? 1) !== (b.targets.weights?.[row] ?? 1));
  if (mask >= 0) throw mismatch(`the mask of row ${mask} differs in ${from} and ${to}`);
}

/** @throws LossmeterError partials_mismatch */
function requireWholeVocabulary(partials: readonly ReadPartial[]): void {
  const { size } = partials[0]!.vocabulary;
  let covered = 0;
  for (const partial of partials) {
    const { start } = partial.vocabulary;
    if (start !== covered) throw gap(start, covered, size);
    covered += partial.classes;
  }
  if (covered !== size) throw gap(size, covered, size);
}

function gap(start: number, covered: number, size: number): Error {
  const what =
    start > covered
      ? `the classes [${covered}, ${start}) are missing`
      : `the classes [${start}, ${covered}) come twice`;
  return refuse('partials_mismatch', '/partials', `the partials do not make up the vocabulary [0, ${size}): ${what}`);
}

function nameOf({ vocabulary: { start }, classes }: ReadPartial): string {
  return `the shard [${start}, ${start + classes})`;
}

/** Refuses negative class weights when `semantics` was changed to a profile that rejects them. */
function requireClassWeights(partials: readonly ReadPartial[], { semantics }: Options): void {
  const isWeight = isClassWeight(semantics);
  for (const { targets } of partials) {
    const fault = targets.classWeights?.find((weight) => !isWeight(weight));
    if (fault === undefined) continue;
    const detail = `options.semantics is "${semantics}", but the partials have the class weight ${fault}, which only "torch" takes`;
    throw refuse('invalid_option', '/options/semantics', detail);
  }
}

/**
 * The options of the partials with the changes of the request.
 * @throws LossmeterError invalid_option
 */
function changeOptions(made: Options, changes: unknown, targets: { probabilities: boolean }): Options {
  if (changes === undefined || changes === null) return made;
  parseOptions(changes);
  const options = parseOptions({ ...made, ...withoutNulls(changes as Partial<Options>) });
  requireChangeable(options, made);
  requireShardable(options, targets);
  return options;
}
