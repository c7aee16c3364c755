import { LogAttempts } from './attempts.ts';
import type { Format, Parser, ReadOptions, Stream } from './format.ts';
import type { Entry, Item } from './item.ts';
import { headLines, lineParser } from './lines.ts';
import { readCount, readNumber } from './numbers.ts';

/** Line of `MFLossMonitor`: `{ Epoch:[  1/  2], step:[    5/   19], loss: 10.649, per_step_time: 1752ms, lr: 1e-05, …`. */
const TRAINING = /Epoch:\[\s*(\d+)\s*\/\s*\d+\], step:\[\s*(\d+)\s*\/\s*(\d+)\], (.*)/;

/** Line of `TrainingStateMonitor`: `Epoch:[  1/  2], step:[    5/   19] local_norm/weight: 0.1234`. */
const STATE = /Epoch:\[\s*(\d+)\s*\/\s*\d+\], step:\[\s*(\d+)\s*\/\s*(\d+)\] (\S.*): (\S+)\s*$/;

/** Second line of `MFLossMonitor`: `  4.0% |██    | 1.23000 samples/s/p  0:10:00 }`. */
const PROGRESS = /\|\s*(\S+) samples\/s\/p\b/;

/** Mean loss of the epoch, the second number of `loss:[2.220/2.251]`. */
const EPOCH_MEAN = 'epoch_mean_loss';
const THROUGHPUT = 'samples_per_second_per_device';

const TRUTHS = new Map([
  ['True', 1],
  ['False', 0],
]);

/** Training logs of MindFormers. */
export const mindformers: Format = {
  name: 'mindformers',
  title: 'training logs of MindFormers',
  unit: 'line',
  recognises: (_name, head) => headLines(head).some((line) => TRAINING.test(line)),
  stream: (options) => new MindFormersLog(options),
};

class MindFormersLog implements Stream {
  readonly #options: ReadOptions;
  readonly #loss: string;
  readonly #attempts: LogAttempts;
  /** Last step, until its throughput is read. */
  #last: Item | undefined;

  constructor(options: ReadOptions) {
    this.#options = options;
    this.#loss = options.loss ?? 'loss';
    this.#attempts = new LogAttempts(options.attempt);
  }

  open(): Parser {
    return lineParser((line, at) => this.#read(line, at));
  }

  #read(line: string, at: number): Entry[] {
    const training = TRAINING.exec(line);
    if (training !== null) return [this.#training(training, at)];
    const state = STATE.exec(line);
    if (state !== null) return this.#state(state, at);
    const progress = PROGRESS.exec(line);
    const value = progress === null ? undefined : readNumber(progress[1]!);
    if (value === undefined || this.#last === undefined) return [];
    // The line has no step: it belongs to the previous line.
    const { step, rank, attempt } = this.#last;
    this.#last = undefined;
    return [{ at, item: { step, rank: rank!, attempt: attempt!, scalars: { [THROUGHPUT]: value } } }];
  }

  #training([, epoch, step, steps, text]: RegExpExecArray, at: number): Entry {
    const global = globalStep(epoch!, step!, steps!);
    if (global === undefined)
      return {
        at,
        refused: `the step is ${step} of epoch ${epoch}, expected an epoch of at least 1, and a step that float64 represents exactly`,
      };
    const fields = fieldsOf(text!);
    const numerator = fields.get(this.#loss);
    fields.delete(this.#loss);
    const item: Item = {
      step: global,
      rank: this.#options.rank,
      attempt: this.#attempts.next(global, text!),
      ...(numerator !== undefined && { numerator, denominator: 1 }),
      ...(fields.size > 0 && { scalars: Object.fromEntries(fields) }),
    };
    this.#last = item;
    return { at, item };
  }

  #state([, epoch, step, steps, name, text]: RegExpExecArray, at: number): Entry[] {
    const global = globalStep(epoch!, step!, steps!);
    const value = readNumber(text!);
    if (global === undefined || value === undefined) return [];
    const { rank } = this.#options;
    return [{ at, item: { step: global, rank, attempt: this.#attempts.current, scalars: { [name!]: value } } }];
  }
}

function globalStep(epoch: string, step: string, steps: string): number | undefined {
  const [e, s, n] = [epoch, step, steps].map(readCount);
  if (e === undefined || s === undefined || n === undefined || e < 1) return undefined;
  const global = (e - 1) * n + s;
  return Number.isSafeInteger(global) ? global : undefined;
}

/** Numbers of a line by their names: `loss:[2.220/2.251], time:1951.612 ms, lr:[2.4e-06], overflow cond: False`. */
function fieldsOf(text: string): Map<string, number> {
  const fields = new Map<string, number>();
  for (const [, name, bracketed, plain] of text.matchAll(/([A-Za-z_][\w ]*):\s*(?:\[([^\]]*)\]|([^,]*))/g)) {
    const [first = '', second] = (bracketed ?? plain!).split('/');
    const value = TRUTHS.get(first.trim()) ?? readNumber(first.replace(/(?: ?ms|T)\s*$/, ''));
    if (value === undefined) continue;
    fields.set(name!, value);
    const mean = second === undefined ? undefined : readNumber(second);
    if (mean !== undefined && name === 'loss') fields.set(EPOCH_MEAN, mean);
  }
  return fields;
}
