/** Fields of a recording in addition to its batch or pair. */
import { DECLARED_LOSS } from '../../contract/limits.ts';
import { DEVICE_PATTERN, MOST_DEVICE, MOST_NAME, MOST_SCALARS, SCALAR_PATTERN } from '../../contract/scalars.ts';
import { refuse } from '../../errors.ts';
import { pointerTo, showValue } from '../../suggestion.ts';
import { NON_FINITE } from '../../wire/non-finite.ts';

export interface Besides {
  /** Names and numbers; the declared loss is one of them. */
  scalars: readonly (readonly [name: string, value: number])[];
  device: string | undefined;
}

/** Names of the fields. */
export const BESIDES = ['scalars', 'device', 'declared_loss'] as const;

/** Patterns by code points, because JSON Schema counts characters so. */
const SCALAR = new RegExp(SCALAR_PATTERN, 'u');
const DEVICE = new RegExp(DEVICE_PATTERN, 'u');

/** Reads the fields; null counts as absent. @throws LossmeterError invalid_item */
export function readBesides(fields: Readonly<Record<string, unknown>>): Besides {
  const scalars = readScalars(fields['scalars'] ?? {});
  const declared = fields[DECLARED_LOSS] ?? undefined;
  if (declared !== undefined) {
    if (scalars.some(([name]) => name === DECLARED_LOSS)) {
      const detail = `${DECLARED_LOSS} is given both as a scalar and as a field, expected one of them`;
      throw refuse('invalid_item', '/scalars', detail);
    }
    scalars.push([DECLARED_LOSS, readNumber(DECLARED_LOSS, declared, pointerTo(DECLARED_LOSS))]);
  }
  return { scalars, device: readDevice(fields['device'] ?? undefined) };
}

/** The declared loss; undefined when there is none. */
export const declaredLossOf = ({ scalars }: Besides): number | undefined =>
  scalars.find(([name]) => name === DECLARED_LOSS)?.[1];

function readScalars(given: unknown): [string, number][] {
  if (typeof given !== 'object' || given === null || Array.isArray(given) || ArrayBuffer.isView(given)) {
    throw refuse('invalid_item', '/scalars', `scalars is ${showValue(given)}, expected an object of numbers`);
  }
  const entries = Object.entries(given);
  if (entries.length > MOST_SCALARS) {
    // Counting would miss names that the reader of a large text drops.
    const detail = `scalars has more than ${MOST_SCALARS} names, the maximum`;
    throw refuse('invalid_item', '/scalars', detail);
  }
  return entries.map(([name, value]) => {
    const pointer = `/scalars${pointerTo(name)}`;
    if (!SCALAR.test(name) || !name.isWellFormed()) {
      const expected = `1 to ${MOST_NAME} characters, none of them a control character`;
      throw refuse('invalid_item', pointer, `${showValue(name)} is the name of a scalar, expected ${expected}`);
    }
    return [name, readNumber(name, value, pointer)];
  });
}

function readDevice(device: unknown): string | undefined {
  if (device === undefined) return undefined;
  if (typeof device === 'string' && DEVICE.test(device) && device.isWellFormed()) return device;
  const expected = `a text of at most ${MOST_DEVICE} characters, none of them a control character`;
  throw refuse('invalid_item', '/device', `device is ${showValue(device)}, expected ${expected}`);
}

function readNumber(name: string, value: unknown, pointer: string): number {
  if (typeof value === 'number' || NON_FINITE.has(value)) return Number(value);
  throw refuse('invalid_item', pointer, `${showValue(name)} is ${showValue(value)}, expected a number`);
}
