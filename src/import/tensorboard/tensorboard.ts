import type { Format, Parser, ReadOptions, Stream } from '../format.ts';
import type { Entry, Item } from '../item.ts';
import { decodeEvent } from './event.ts';
import type { Event } from './event.ts';
import { TfRecords } from './records.ts';
import { Restarts } from './restarts.ts';
import { Tags } from './tags.ts';
import { maskedCrc32c } from './crc32c.ts';

/** Event files of TensorBoard. Each tag with numbers is a scalar; wall times are not recorded. */
export const tensorboard: Format = {
  name: 'tensorboard',
  title: 'event files of TensorBoard',
  unit: 'offset',
  recognises: (name, head) => isEventFile(name) || beginsWithRecord(head),
  stream: (options) => new EventStream(options),
};

/** True for names of event files. */
export function isEventFile(name: string): boolean {
  return name.includes('tfevents');
}

function beginsWithRecord(head: Buffer): boolean {
  return head.length >= 12 && maskedCrc32c(head.subarray(0, 8)) === head.readUInt32LE(8);
}

/** Event files of a run, in the order of their names, which begin with the time of creation. */
class EventStream implements Stream {
  readonly #options: ReadOptions;
  readonly #tags: Tags;
  readonly #restarts: Restarts;

  constructor(options: ReadOptions) {
    this.#options = options;
    this.#tags = new Tags(options.loss, options.excluded);
    this.#restarts = new Restarts(options.attempt);
  }

  open(): Parser {
    const file = this.#restarts.open();
    const records = new TfRecords();
    return {
      push: (bytes) => this.#read(records, bytes, file),
      end: () =>
        records.unread === 0
          ? []
          : [{ at: records.offset, note: `the last record is incomplete: ${records.unread} bytes are not read` }],
    };
  }

  #read(records: TfRecords, bytes: Buffer, file: number): Entry[] {
    const entries: Entry[] = [];
    let last: Item | undefined;
    for (const record of records.push(bytes)) {
      const { offset: at } = record;
      if ('corrupt' in record) {
        entries.push({ at, refused: record.corrupt });
        continue;
      }
      try {
        const item = this.#itemOf(decodeEvent(record.data), file);
        if (item === undefined || (last !== undefined && merge(last, item))) continue;
        entries.push({ at, item });
        last = item;
      } catch (error) {
        entries.push({ at, refused: (error as Error).message });
      }
    }
    return entries;
  }

  #itemOf(event: Event, file: number): Item | undefined {
    const { step, isStart } = event;
    if (isStart) this.#restarts.start(file, step);
    const scalars = this.#tags.scalarsOf(event);
    if (scalars.size === 0) return undefined;
    if (!Number.isSafeInteger(step) || step < 0)
      throw new Error(`the step is ${step}, expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}`);
    const { loss } = this.#tags;
    const attempt = this.#restarts.attemptOf(file, step, scalars.keys(), loss);
    const numerator = loss === undefined ? undefined : scalars.get(loss);
    if (numerator !== undefined) scalars.delete(loss!);
    return {
      step,
      rank: this.#options.rank,
      attempt,
      ...(numerator !== undefined && { numerator, denominator: 1 }),
      ...(scalars.size > 0 && { scalars: Object.fromEntries(scalars) }),
    };
  }
}

/** Merges an item into another of the same step: trainers write one event per tag. @returns false if they do not fit */
function merge(into: Item, item: Item): boolean {
  if (into.step !== item.step || into.attempt !== item.attempt) return false;
  const { scalars = {} } = item;
  const isTwice =
    (item.numerator !== undefined && into.numerator !== undefined) ||
    (into.scalars !== undefined && Object.keys(scalars).some((name) => Object.hasOwn(into.scalars!, name)));
  if (isTwice) return false;
  if (item.numerator !== undefined) Object.assign(into, { numerator: item.numerator, denominator: item.denominator });
  if (item.scalars !== undefined) into.scalars = Object.assign(into.scalars ?? {}, scalars);
  return true;
}
