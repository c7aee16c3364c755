/** Properties of the options, from which lists of options are derived. */
import { refuse } from '../errors.ts';
import { METRICS, STATISTIC_OUTPUTS } from '../statistics/list.ts';
import { showValue } from '../suggestion.ts';
import type { Options } from './options.ts';

interface OptionRule<Value> {
  /** True when the option changes the losses of rows or values computed from them; false when it changes only the answer. */
  readonly changesLoss: boolean;
  /** True when batches whose sums are added must have equal values of the option. Default: `changesLoss`. */
  readonly isSummed?: boolean;
  /** True for a value, or a list whose order and repetitions do not matter. */
  readonly isSet?: boolean;
  /** False when the partials of one batch may have different values, because partials do not depend on the option. */
  readonly isShared?: boolean;
  /**
   * Changes that are possible after partials were made: any; none; or `fewer`, when the partials hold everything that the
   * new value needs.
   */
  readonly afterPartials: 'any' | 'none' | 'fewer';
  /** Part of the value that cannot be computed over shards of the vocabulary, and the reason if not SECOND_EXCHANGE. */
  readonly refusedOverShards?: (
    value: Value,
    others: { probabilities: boolean; options: Options },
  ) => { what: string; reason?: string } | undefined;
}

/** Outputs that can be computed over shards of the vocabulary. */
const OUTPUTS_OVER_SHARDS: ReadonlySet<string> = new Set([
  'per_token_loss',
  ...Object.entries(STATISTIC_OUTPUTS).flatMap(([name, { overShards }]) => (overShards === true ? [name] : [])),
]);

/** Outputs and metrics of sequences and their texts. */
const OF_SEQUENCES: ReadonlySet<string> = new Set([
  'sequences',
  'sequence_perplexity',
  ...Object.entries(METRICS).flatMap(([name, { field }]) => (field === undefined ? [] : [name])),
]);

const NO_SEQUENCES = {
  reason: 'partials of shards do not hold the sequences of the rows and the sizes of their texts',
};

const OPTION_RULES: { readonly [Name in keyof Options]-?: OptionRule<NonNullable<Options[Name]>> } = {
  reduction: { changesLoss: true, afterPartials: 'any' },
  ignore_index: { changesLoss: true, isSet: true, afterPartials: 'none' },
  label_smoothing: { changesLoss: true, afterPartials: 'fewer' },
  lse_square_scale: { changesLoss: true, afterPartials: 'any' },
  softcap: { changesLoss: true, afterPartials: 'none' },
  logit_scale: { changesLoss: true, afterPartials: 'none' },
  class_axis: { changesLoss: false, afterPartials: 'none' },
  shift: { changesLoss: true, afterPartials: 'none' },
  semantics: { changesLoss: true, afterPartials: 'any' },
  invalid_label: { changesLoss: true, afterPartials: 'none' },
  calculate_per_token_loss: { changesLoss: true, afterPartials: 'any' },
  check_for_nan_in_loss_and_grad: {
    changesLoss: false,
    afterPartials: 'fewer',
    refusedOverShards(value, { probabilities, options }) {
      if (!value || !(probabilities || options.softcap !== undefined)) return undefined;
      return { what: `the norm of the gradient of ${probabilities ? 'class probabilities' : 'soft-capped logits'}` };
    },
  },
  parallel_config: {
    changesLoss: true,
    isSummed: false,
    afterPartials: 'any',
    refusedOverShards({ model_parallel: shards }) {
      return shards > 1
        ? {
            what: `${shards} shards`,
            reason: 'the vocabulary is already divided into shards, expected model_parallel 1',
          }
        : undefined;
    },
  },
  on_non_finite: { changesLoss: false, afterPartials: 'any' },
  max_locations: { changesLoss: false, afterPartials: 'none' },
  gradient_dtype: { changesLoss: false, isShared: false, afterPartials: 'any' },
  outputs: {
    changesLoss: false,
    isSet: true,
    afterPartials: 'fewer',
    refusedOverShards(names) {
      const what = names.find((name) => !OUTPUTS_OVER_SHARDS.has(name));
      return what && { what, ...(OF_SEQUENCES.has(what) && NO_SEQUENCES) };
    },
  },
  metrics: {
    changesLoss: false,
    isSummed: true,
    isSet: true,
    afterPartials: 'fewer',
    refusedOverShards(names) {
      const what = names.find((name) => METRICS[name].overShards !== true);
      return what && { what, ...(OF_SEQUENCES.has(what) && NO_SEQUENCES) };
    },
  },
};

type OptionName = keyof Options;

const RULES: readonly [OptionName, OptionRule<unknown>][] = Object.entries(OPTION_RULES) as [
  OptionName,
  OptionRule<unknown>,
][];

function namesWhere(holds: (rule: OptionRule<unknown>) => boolean): OptionName[] {
  return RULES.flatMap(([name, rule]) => (holds(rule) ? [name] : []));
}

/** Options that change the losses of rows, or values computed from them. */
export const OPTIONS_OF_THE_LOSS = namesWhere(({ changesLoss }) => changesLoss);

/** Options that must be equal for batches whose sums are added. */
export const SUMMED_OPTIONS = namesWhere(({ changesLoss, isSummed = changesLoss }) => isSummed);

/** Options that must be equal for the partials of one batch. */
export const SHARED_OPTIONS = namesWhere(({ isShared }) => isShared !== false);

/** Options that cannot be changed after partials were made. */
const FIXED_OPTIONS = namesWhere(({ afterPartials }) => afterPartials === 'none');

/** Options in a form for comparison: sets are sorted. */
export function comparable(options: Options): Options {
  const sets = namesWhere(({ isSet }) => isSet === true).map((name) => [
    name,
    [...new Set([options[name]].flat())].toSorted((a, b) => (a! < b! ? -1 : 1)),
  ]);
  return { ...options, ...Object.fromEntries(sets) };
}

/** First of the named options that differs between two evaluations, with its two values as text. */
export function differingOption(
  a: Options,
  b: Options,
  names: readonly OptionName[],
): { name: OptionName; one: string; other: string } | undefined {
  const textOf = (options: Options, name: OptionName): string => JSON.stringify(options[name]) ?? 'not set';
  const [one, other] = [comparable(a), comparable(b)];
  const name = names.find((option) => textOf(one, option) !== textOf(other, option));
  return name && { name, one: textOf(a, name), other: textOf(b, name) };
}

const SECOND_EXCHANGE = 'over shards of the vocabulary it would need a second exchange between the ranks';

/**
 * Rejects options whose results cannot be computed from partials.
 * @throws LossmeterError invalid_option
 */
export function requireShardable(options: Options, { probabilities }: { probabilities: boolean }): void {
  for (const [name, { refusedOverShards }] of RULES) {
    const refused = refusedOverShards?.(options[name], { probabilities, options });
    if (refused === undefined) continue;
    const { what, reason = SECOND_EXCHANGE } = refused;
    throw refuse('invalid_option', `/options/${name}`, `options.${name} asks for ${what}: ${reason}`);
  }
}

/**
 * Rejects changes of options that need more than the partials hold.
 * @param made options with which the partials were made
 * @throws LossmeterError invalid_option
 */
export function requireChangeable(options: Options, made: Options): void {
  const fixed = differingOption(options, made, FIXED_OPTIONS)?.name;
  const name =
    fixed ??
    namesWhere(({ afterPartials }) => afterPartials === 'fewer').find((one) => needsMore(options[one], made[one]));
  if (name === undefined) return;
  const shown = (value: unknown): string => (value === undefined ? 'not set' : showValue(value));
  const detail = `options.${name} is ${shown(options[name])}, but the partials were made with ${shown(made[name])}: set options.${name} in the requests that make the partials`;
  throw refuse('invalid_option', `/options/${name}`, detail);
}

/** True when a value needs more than the former value. `per_token_loss` needs no more than the loss. */
function needsMore(value: unknown, former: unknown): boolean {
  if (!Array.isArray(value)) return Boolean(value) && !former;
  return value.some((name) => name !== 'per_token_loss' && !(former as unknown[]).includes(name));
}
