import type { TObject, TSchema } from '#typebox';
import { Value } from '#typebox';
import { LossmeterError } from './errors.ts';
import type { ErrorPlace } from './errors.ts';
import { SURPLUS_KEY, pointerTo, showValue, suggestName } from './suggestion.ts';

/** Maximum number of wrong options that an error names. */
const MAX_PLACES = 8;

/** Checks the options of requests by their schema. */
export class OptionReader {
  readonly #properties: Readonly<Record<string, TSchema>>;
  readonly #synonyms: Readonly<Record<string, string>>;

  /** @param synonyms names that other libraries use for the same options */
  constructor({ properties }: TObject, synonyms: Readonly<Record<string, string>>) {
    this.#properties = properties;
    this.#synonyms = synonyms;
  }

  /**
   * Checks the options of a request.
   * @returns the options that are not null; undefined without options
   * @throws LossmeterError invalid_option, with a place for every wrong option and, for an unknown option, the nearest
   *   known name
   */
  read(given: unknown): object | undefined {
    if (given === undefined || given === null) return undefined;
    if (typeof given !== 'object' || Array.isArray(given) || given instanceof Uint8Array) {
      const detail = `options is ${showValue(given)}, expected a map of option names to values`;
      throw new LossmeterError('invalid_option', detail, [{ pointer: '/options', detail }]);
    }
    const numbers = this.#withNumbers(given);
    this.#requireValid(numbers);
    return withoutNulls(numbers);
  }

  /** Converts integers beyond 2^53 to numbers in options that accept any number. Other options keep the exact integer. */
  #withNumbers(given: object): object {
    // Does not copy requests without such integers, which are the common case.
    if (!Object.values(given).some((value) => typeof value === 'bigint')) return given;
    return Object.fromEntries(
      Object.entries(given).map(([name, value]: [string, unknown]) => [
        name,
        typeof value === 'bigint' && this.#isAnyNumber(name) ? Number(value) : value,
      ]),
    );
  }

  #isAnyNumber(name: string): boolean {
    return Object.hasOwn(this.#properties, name) && (this.#properties[name] as { type?: string }).type === 'number';
  }

  /** @throws LossmeterError invalid_option that names some of the wrong options, and counts the others */
  #requireValid(given: object): void {
    const places: ErrorPlace[] = [];
    let others = 0;
    for (const [name, value] of Object.entries(given)) {
      if (name === SURPLUS_KEY && typeof value === 'number') others += value;
      // Finding the nearest known name takes time, so only names that the answer shows are compared.
      else if (places.length === MAX_PLACES) others += this.#isValid(name, value) ? 0 : 1;
      else {
        const fault = this.#fault(name, value);
        if (fault !== undefined) places.push(fault);
      }
    }
    if (places.length + others === 0) return;
    const more = others > 0 ? `; and ${others} more` : '';
    throw new LossmeterError('invalid_option', places.map((place) => place.detail).join('; ') + more, places);
  }

  #isValid(name: string, value: unknown): boolean {
    if (!Object.hasOwn(this.#properties, name)) return false;
    const schema = this.#properties[name]!;
    if (value === null) return true;
    // In a map of options null means absent too.
    const isMap = 'properties' in schema && typeof value === 'object' && !(value instanceof Uint8Array);
    return admits(schema, isMap && !Array.isArray(value) ? withoutNulls(value) : value);
  }

  #fault(name: string, value: unknown): ErrorPlace | undefined {
    const pointer = pointerTo('options', name);
    const schema = Object.hasOwn(this.#properties, name) ? this.#properties[name]! : undefined;
    if (schema === undefined) {
      return {
        pointer,
        detail: `unknown option ${showValue(name)}${hintFor(name, Object.keys(this.#properties), this.#synonyms)}`,
      };
    }
    if (this.#isValid(name, value)) return undefined;
    const { properties: members } = schema as { properties?: Readonly<Record<string, TSchema>> };
    if (members !== undefined && typeof value === 'object' && value !== null) {
      const unknown = Object.keys(value).find((key) => !Object.hasOwn(members, key));
      if (unknown !== undefined) {
        const detail = `unknown key ${showValue(unknown)} in options.${name}${hintFor(unknown, Object.keys(members))}`;
        return { pointer: pointerTo('options', name, unknown), detail };
      }
    }
    return { pointer, detail: `options.${name} is ${showValue(value)}, expected ${describeExpectation(schema)}` };
  }
}

/** Options without null values: null means absent. */
export function withoutNulls<T extends object>(options: T): Partial<T> {
  // Does not copy requests without a null, which are the common case.
  if (!Object.values(options).includes(null)) return options;
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null)) as Partial<T>;
}

/** Checks the length of a list before its entries: the check for duplicates compares each entry with all others. */
function admits(schema: TSchema, value: unknown): boolean {
  return (!Array.isArray(value) || value.length <= mostItems(schema)) && Value.Check(schema, value);
}

function mostItems({ maxItems, anyOf = [] }: { maxItems?: number; anyOf?: TSchema[] } & TSchema): number {
  return maxItems ?? Math.max(0, ...anyOf.map(mostItems));
}

function hintFor(name: string, known: readonly string[], synonyms: Readonly<Record<string, string>> = {}): string {
  const meant = suggestName(name, known, synonyms);
  return meant === undefined ? `; known are ${known.join(', ')}` : `, did you mean ${meant}?`;
}

/** Describes the values that a schema accepts. */
function describeExpectation(schema: TSchema): string {
  const {
    enum: names,
    anyOf,
    type,
    items,
    properties: members,
    maxItems,
    uniqueItems,
    minimum,
    exclusiveMinimum,
    maximum,
  } = schema as {
    enum?: readonly string[];
    anyOf?: readonly TSchema[];
    type?: string;
    items?: TSchema;
    maxItems?: number;
    uniqueItems?: boolean;
    properties?: Readonly<Record<string, TSchema>>;
    minimum?: number;
    exclusiveMinimum?: number;
    maximum?: number;
  };
  if (names !== undefined) return `one of ${names.join(', ')}`;
  if (anyOf !== undefined) return anyOf.map(describeExpectation).join(' or ');
  if (items !== undefined) {
    const most = maxItems === undefined ? '' : ` of at most ${maxItems} entries`;
    return `a list${uniqueItems === true ? ' without duplicates' : ''}${most}, each ${describeExpectation(items)}`;
  }
  if (members !== undefined) {
    const parts = Object.entries(members).map(([name, member]) => `${name}, ${describeExpectation(member)}`);
    return `a map of ${parts.join('; and ')}`;
  }
  const bounds =
    minimum === undefined && maximum === undefined
      ? ''
      : ` in ${exclusiveMinimum === undefined ? '[' : '('}${minimum}, ${maximum}]`;
  return `${type === 'integer' ? 'an' : 'a'} ${type}${bounds}`;
}

/** True when an option was given, even with its default value. */
export function isGiven(given: unknown, name: string): boolean {
  if (typeof given !== 'object' || given === null || !Object.hasOwn(given, name)) return false;
  return (given as Record<string, unknown>)[name] !== null;
}
