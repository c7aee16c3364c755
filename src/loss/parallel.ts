import { refuse } from '../errors.ts';
import type { Options } from './options.ts';
import { CompensatedSum } from '../summation.ts';

/**
 * @param rows N, of the logits
 * @param classes C
 * @throws LossmeterError invalid_option when the batch cannot be divided according to `parallel_config`
 */
export function requireDivisible({ parallel_config: parallel }: Options, rows: number, classes: number): void {
  const axes = [
    ['data_parallel', rows, 'rows', 'groups'],
    ['model_parallel', classes, 'classes', 'shards'],
  ] as const;
  for (const [name, size, what, parts] of axes) {
    if (size % parallel[name] === 0) continue;
    const detail = `parallel_config.${name} is ${parallel[name]}, but ${size} ${what} do not divide into ${parallel[name]} ${parts} of equal size`;
    throw refuse('invalid_option', `/options/parallel_config/${name}`, detail);
  }
}

/** Term added to the denominator of a local loss, as in mindformers, under every `semantics`. */
const LOCAL_EPSILON = 1e-8;

/** The sums of data-parallel groups of consecutive rows. */
class LocalGroups {
  readonly #rowsPerGroup: number;
  readonly #losses: Float64Array;
  #group = -1;
  #loss = new CompensatedSum();
  #mask = new CompensatedSum();

  constructor(rows: number, groups: number) {
    this.#rowsPerGroup = rows / groups;
    this.#losses = new Float64Array(groups);
  }

  /** @param row index, at least the index of the previous call */
  add(row: number, loss: number, mask: number): void {
    const group = Math.floor(row / this.#rowsPerGroup);
    if (group !== this.#group) this.#begin(group);
    this.#loss.add(loss);
    this.#mask.add(mask);
  }

  /** Local loss of each group, Σ m·ℓ / (Σ m + 1e-8); 0 for a group without counted rows. */
  get losses(): number[] {
    this.#begin(-1);
    return Array.from(this.#losses);
  }

  #begin(group: number): void {
    if (this.#group >= 0) this.#losses[this.#group] = this.#loss.value / (this.#mask.value + LOCAL_EPSILON);
    this.#group = group;
    this.#loss = new CompensatedSum();
    this.#mask = new CompensatedSum();
  }
}

/** Groups for the local losses that the options request; undefined when none are requested. */
export function localGroups(rows: number, options: Options): LocalGroups | undefined {
  const { data_parallel: groups } = options.parallel_config;
  return options.check_for_nan_in_loss_and_grad || groups > 1 ? new LocalGroups(rows, groups) : undefined;
}
