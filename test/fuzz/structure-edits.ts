/** Changes to the values of a request before encoding: names, types, depth, shapes. */
import fc from 'fast-check';

/** A change at one of the places of a value. */
export interface StructureEdit {
  /** Fraction of all places that selects one of them. */
  readonly at: number;
  readonly change: (value: unknown) => unknown;
  /** New name, when the place is a member of an object. */
  readonly name?: string;
}

const DEEP = 200;

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

const EXTREMES = [
  ...[0, -0, -1, 1, 2, 32, 255, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 64, -(2 ** 63)],
  ...[0.5, 1e-320, 1e308, -1e308, Number.NaN, Infinity, -Infinity],
];

const OTHERS = [
  ...[null, true, false, '', 'x', 'NaN', 'float32', 'int64', 'bool', 'logits', '__proto__', 'x'.repeat(5000)],
  ...[[], {}, [[]], [[], [1]], [Number.NaN], { dtype: 'float32' }, { data: 'AAAA' }, { file: 'a', tensor: 'b' }],
  ...[nested(DEEP), new Uint8Array(3), new Uint8Array(4096), { dtype: 'float32', shape: [], data: 'AACAPw==' }],
  ...[[2 ** 31, 2 ** 31], [0, 5], [2 ** 53 - 1, 0], [-1, 5], [1.5], Array.from({ length: 40 }, () => 1)],
];

const NAMES = [
  '',
  '__proto__',
  'constructor',
  'logit',
  'labels',
  'nd',
  'type',
  'data',
  'dtype',
  'file',
  'options',
  'é',
];

const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const constantly = (value: unknown) => (): unknown => value;

const changed = (change: fc.Arbitrary<StructureEdit['change']>): fc.Arbitrary<StructureEdit> =>
  fc.record({ at, change });

export const structureEdit: fc.Arbitrary<StructureEdit> = fc.oneof(
  changed(fc.constantFrom(...EXTREMES, ...OTHERS).map(constantly)),
  changed(fc.anything({ maxDepth: 2 }).map(constantly)),
  changed(fc.constantFrom<StructureEdit['change']>(twice, wrapped, shorter, longer)),
  fc.record({ at, name: fc.constantFrom(...NAMES), change: fc.constant((value: unknown) => value) }),
);

export function editStructure(value: unknown, { at, change, name }: StructureEdit): unknown {
  let left = Math.floor(at * countPlaces(value));
  const visit = (inner: unknown): unknown => {
    if (left-- === 0) return change(inner);
    if (Array.isArray(inner)) return inner.map(visit);
    if (!isMap(inner)) return inner;
    return Object.fromEntries(
      Object.entries(inner).map(([key, member]) => [left === 0 && name !== undefined ? name : key, visit(member)]),
    );
  };
  return visit(value);
}

function countPlaces(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, inner) => sum + countPlaces(inner), 1);
  if (!isMap(value)) return 1;
  return Object.values(value).reduce<number>((sum, inner) => sum + countPlaces(inner), 1);
}

function isMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

function twice(value: unknown): unknown {
  return [value, value];
}

function wrapped(value: unknown): unknown {
  return { x: value };
}

function shorter(value: unknown): unknown {
  if (value instanceof Uint8Array || Array.isArray(value)) return value.slice(0, -1);
  return typeof value === 'number' ? value - 1 : undefined;
}

function longer(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value.byteLength + 1);
  if (Array.isArray(value)) return [...(value as unknown[]), ...(value as unknown[])];
  return typeof value === 'number' ? value + 1 : [value];
}
