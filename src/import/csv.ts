import { StringDecoder } from 'node:string_decoder';
import { parse } from 'csv-parse/sync';
import { suggestName } from '../suggestion.ts';
import type { Format, Parser, ReadOptions } from './format.ts';
import type { Entry, Item } from './item.ts';
import { headLines } from './lines.ts';
import { LOSS_NAMES } from './loss-names.ts';
import { readCount, readNumber } from './numbers.ts';

/** Fields of an item that a column may have, besides the scalars. */
export const CSV_FIELDS = [
  'step',
  'loss',
  'numerator',
  'denominator',
  'rank',
  'micro_batch',
  'attempt',
  'device',
  'declared_loss',
] as const;

type CsvField = (typeof CSV_FIELDS)[number];

/** Usual names of columns that differ from the names of the fields. */
const NAMES: Readonly<Partial<Record<CsvField, readonly string[]>>> = {
  step: ['step', 'global_step', 'iteration', '_step', 'Step'],
  loss: LOSS_NAMES,
};

const QUOTE = 34;
const NEWLINE = 10;

/** Maximum number of characters of a record. */
const MOST_CHARACTERS = 4 * 2 ** 20;

const DELIMITERS = [',', '\t', ';'];

/** Comma-separated values. A column is a field of the item; every other column with numbers is a scalar. */
export const csv: Format = {
  name: 'csv',
  title: 'CSV with a line of names',
  unit: 'line',
  recognises: (name, head) =>
    /\.[ct]sv$/i.test(name) || NAMES.step!.some((step) => cellsOf(headLines(head)[0]!).includes(step)),
  stream: (options) => ({ open: () => new CsvFile(options) }),
};

const cellsOf = (line: string): string[] =>
  line.split(delimiterOf(line)).map((cell) => cell.replace(/^"(.*)"$/, '$1').trim());

/** The most frequent delimiter in the line of names. */
function delimiterOf(line: string): string {
  const counts = DELIMITERS.map((delimiter) => line.split(delimiter).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))]!;
}

interface CsvRecord {
  record: string[];
  info: { lines: number };
}

class CsvFile implements Parser {
  readonly #options: ReadOptions;
  readonly #decoder = new StringDecoder('utf8');
  #pending = '';
  /** Lines before the pending text. */
  #lines = 0;
  #delimiter: string | undefined;
  #columns: Columns | undefined;

  constructor(options: ReadOptions) {
    this.#options = options;
  }

  push(bytes: Buffer): Entry[] {
    this.#pending += this.#decoder.write(bytes);
    const length = completeLength(this.#pending);
    const text = this.#pending.slice(0, length);
    this.#pending = this.#pending.slice(length);
    if (this.#pending.length > MOST_CHARACTERS) {
      throw new Error(`line ${this.#lines + newlinesIn(text) + 1} has a quote that is not closed`);
    }
    return this.#read(text);
  }

  end(): Entry[] {
    const text = this.#pending + this.#decoder.end();
    this.#pending = '';
    return this.#read(text);
  }

  #read(text: string): Entry[] {
    if (text.trim() === '') {
      this.#lines += newlinesIn(text);
      return [];
    }
    this.#delimiter ??= delimiterOf(FIRST_LINE.exec(text)![0]);
    const entries: Entry[] = [];
    const records = parse(text, {
      bom: this.#lines === 0,
      delimiter: this.#delimiter,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_skip: (error) => {
        const at = this.#lines + Number(error?.['lines']);
        // A quote may be reported again at the end of the text.
        if (error !== undefined && entries.at(-1)?.at !== at) {
          entries.push({ at, refused: error.message.split(':')[0]!.toLowerCase() });
        }
        return undefined;
      },
    }) as unknown as CsvRecord[];
    for (const { record, info } of records) {
      if (this.#columns === undefined) this.#columns = new Columns(record, this.#options);
      else entries.push({ at: this.#lines + info.lines, ...this.#columns.read(record) });
    }
    this.#lines += newlinesIn(text);
    return entries;
  }
}

/** The first line that is not empty. */
const FIRST_LINE = /[^\r\n]+/;

const newlinesIn = (text: string): number => text.split('\n').length - 1;

/** Length of the complete records at the beginning of a text. A newline between quotes does not end a record. */
function completeLength(text: string): number {
  let length = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) isQuoted = !isQuoted;
    else if (code === NEWLINE && !isQuoted) length = at + 1;
  }
  return length;
}

/** Meaning of the columns of a file. */
class Columns {
  readonly #fields = new Map<CsvField, number>();
  readonly #scalars: { name: string; column: number }[] = [];
  readonly #options: ReadOptions;

  /** @throws Error when a column is missing */
  constructor(names: readonly string[], options: ReadOptions) {
    this.#options = options;
    const trimmed = names.map((name) => name.trim());
    const wanted: Readonly<Record<string, string | undefined>> = {
      ...(options.loss !== undefined && { loss: options.loss }),
      ...options.columns,
    };
    for (const field of CSV_FIELDS) {
      const given = wanted[field];
      const name = given ?? (NAMES[field] ?? [field]).find((usual) => trimmed.includes(usual));
      if (name === undefined) continue;
      const column = trimmed.indexOf(name);
      if (column === -1) throw new Error(missingColumn(field, name, trimmed));
      this.#fields.set(field, column);
    }
    if (!this.#fields.has('step')) throw new Error(missingColumn('step', 'step', trimmed));
    if (this.#fields.has('numerator') !== this.#fields.has('denominator')) {
      throw new Error(
        `there is a column for ${this.#fields.has('numerator') ? 'numerator' : 'denominator'} only, expected columns for numerator and denominator, or for neither`,
      );
    }
    const used = new Set(this.#fields.values());
    trimmed.forEach((name, column) => {
      if (!used.has(column) && name !== '') this.#scalars.push({ name, column });
    });
  }

  read(record: readonly string[]): { item: Item } | { refused: string } {
    const step = readCount(this.#cell(record, 'step'));
    if (step === undefined)
      return {
        refused: `step is ${JSON.stringify(this.#cell(record, 'step'))}, expected an integer that is at least 0`,
      };
    const item: Item = { step, rank: this.#options.rank, attempt: this.#options.attempt };
    for (const field of ['rank', 'micro_batch', 'attempt'] as const) {
      const text = this.#cell(record, field);
      if (text === '') continue;
      const value = readCount(text);
      if (value === undefined)
        return { refused: `${field} is ${JSON.stringify(text)}, expected an integer that is at least 0` };
      item[field] = value;
    }
    for (const field of ['loss', 'numerator', 'denominator', 'declared_loss'] as const) {
      const text = this.#cell(record, field);
      if (text === '') continue;
      const value = readNumber(text);
      if (value === undefined) return { refused: `${field} is ${JSON.stringify(text)}, expected a number` };
      // A pair has more information than its quotient, so it takes precedence over the loss.
      if (field === 'loss') Object.assign(item, { numerator: value, denominator: 1 });
      else item[field] = value;
    }
    const device = this.#cell(record, 'device');
    if (device !== '') item.device = device;
    const scalars = this.#scalarsOf(record);
    if (scalars !== undefined) item.scalars = scalars;
    return { item };
  }

  #cell(record: readonly string[], field: CsvField): string {
    const column = this.#fields.get(field);
    return column === undefined ? '' : (record[column] ?? '').trim();
  }

  /** Numbers of the other columns; cells with other text are ignored. */
  #scalarsOf(record: readonly string[]): Record<string, number> | undefined {
    let scalars: Record<string, number> | undefined;
    for (const { name, column } of this.#scalars) {
      const value = readNumber(record[column] ?? '');
      if (value !== undefined) (scalars ??= {})[name] = value;
    }
    return scalars;
  }
}

function missingColumn(field: string, name: string, names: readonly string[]): string {
  const meant = suggestName(name, names);
  const hint = meant === undefined ? `the columns are ${names.slice(0, 20).join(', ')}` : `did you mean ${meant}?`;
  return `there is no column ${name}, ${hint} (--map ${field}=COLUMN names another)`;
}
