import { LogAttempts } from './attempts.ts';
import type { Format, Parser, ReadOptions, Stream } from './format.ts';
import type { Entry, Item } from './item.ts';
import { headLines, lineParser } from './lines.ts';
import { readCount, readNumber } from './numbers.ts';

/** Line of `training_log`: `iteration        5/     100 | consumed samples:           40 | …`. */
const TRAINING = /\biteration\s+(\d+)\s*\/\s*\d+\s*\|(.*)/;

/** Line of `evaluate_and_print_results`: `validation loss at iteration 100 | lm loss value: 1.2E+00 | …`. */
const VALIDATION = /\b(validation\S*) loss at iteration (\d+)([^|]*)\|(.*)/;

const SKIPPED = 'number of skipped iterations';
const NON_FINITE = 'number of nan iterations';

/** Keys before and after the losses of a line. Older versions spell the first key `gloabl`. */
const BEFORE_LOSSES = new Set(['global batch size', 'gloabl batch size']);
const AFTER_LOSSES = 'loss scale';

/** Usual names of the loss. */
const LOSSES = ['lm loss', 'loss'];

/** Training logs of Megatron-LM. The loss covers all data-parallel ranks, and only the last rank writes it. */
export const megatron: Format = {
  name: 'megatron',
  title: 'training logs of Megatron-LM',
  unit: 'line',
  recognises: (_name, head) =>
    headLines(head).some((line) => TRAINING.test(line) && line.includes('elapsed time per iteration')),
  stream: (options) => new MegatronLog(options),
};

class MegatronLog implements Stream {
  readonly #options: ReadOptions;
  readonly #attempts: LogAttempts;
  #loss: string | undefined;
  /** True once a line had the loss. */
  #hasLoss = false;

  constructor(options: ReadOptions) {
    this.#options = options;
    this.#attempts = new LogAttempts(options.attempt);
    this.#loss = options.loss;
  }

  open(): Parser {
    return lineParser((line, at) => this.#read(line, at));
  }

  #read(line: string, at: number): Entry[] {
    const training = TRAINING.exec(line);
    if (training !== null) {
      const step = readCount(training[1]!);
      if (step === undefined) return [refusedIteration(at, training[1]!)];
      return [{ at, item: this.#trainingItem(step, training[2]!) }];
    }
    const validation = VALIDATION.exec(line);
    return validation === null ? [] : this.#validationItems(validation, at);
  }

  #trainingItem(step: number, text: string): Item {
    const fields = fieldsOf(text);
    this.#loss ??= lossAmong(fields);
    const numerator = this.#lossOf(fields);
    if (this.#loss !== undefined) fields.delete(this.#loss);
    return {
      step,
      rank: this.#options.rank,
      attempt: this.#attempts.next(step, text),
      ...(numerator !== undefined && { numerator, denominator: 1 }),
      ...(fields.size > 0 && { scalars: Object.fromEntries(fields) }),
    };
  }

  /**
   * Loss of a line. Megatron-LM prints it only when it is at least 0, so it leaves out NaN. When all iterations were
   * skipped it prints 0 or nothing: the loss is unknown, or non-finite when the line counts NaN iterations.
   */
  #lossOf(fields: ReadonlyMap<string, number>): number | undefined {
    const loss = this.#loss === undefined ? undefined : fields.get(this.#loss);
    const skipped = fields.get(SKIPPED) ?? 0;
    if (loss !== undefined && (loss !== 0 || skipped === 0)) {
      this.#hasLoss = true;
      return loss;
    }
    if ((fields.get(NON_FINITE) ?? 0) > 0) return Number.NaN;
    return this.#hasLoss && skipped === 0 ? Number.NaN : undefined;
  }

  #validationItems([, name, iteration, set, text]: RegExpExecArray, at: number): Entry[] {
    const step = readCount(iteration!);
    if (step === undefined) return [refusedIteration(at, iteration!)];
    // A test after the training is `iteration 100 on test set`.
    const part = /on (\w+) set/.exec(set!)?.[1];
    const suffix = part === undefined || part === 'validation' ? name! : part;
    const scalars = Object.fromEntries(
      [...fieldsOf(text!)].map(([key, value]) => [
        key.replace(/ value$/, ` ${suffix}`).replace(/ PPL$/, ` ${suffix} ppl`),
        value,
      ]),
    );
    if (Object.keys(scalars).length === 0) return [];
    return [{ at, item: { step, rank: this.#options.rank, attempt: this.#attempts.current, scalars } }];
  }
}

function refusedIteration(at: number, iteration: string): Entry {
  return { at, refused: `the iteration is ${iteration}, expected an integer of at most ${Number.MAX_SAFE_INTEGER}` };
}

/** Numbers of a line by their keys: `lm loss: 1.2E+01 | grad norm: 1.5 |`. In `210.5/217.3` the first is the current one. */
function fieldsOf(text: string): Map<string, number> {
  const fields = new Map<string, number>();
  for (const field of text.split('|')) {
    const colon = field.lastIndexOf(':');
    const value = colon === -1 ? undefined : readNumber(field.slice(colon + 1).split('/')[0]!);
    if (value !== undefined) fields.set(field.slice(0, colon).trim(), value);
  }
  return fields;
}

/** Name of the loss: a usual name, or the only name between the batch size and the loss scale. */
function lossAmong(fields: ReadonlyMap<string, number>): string | undefined {
  const usual = LOSSES.find((name) => fields.has(name));
  if (usual !== undefined) return usual;
  const names = [...fields.keys()];
  const from = names.findIndex((name) => BEFORE_LOSSES.has(name));
  const to = names.indexOf(AFTER_LOSSES);
  return from !== -1 && to === from + 2 ? names[from + 1] : undefined;
}
