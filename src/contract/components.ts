/** Moves the named parts of an OpenAPI document to its components, and refers to them there. */
import { isDeepStrictEqual } from 'node:util';
import { mapValues } from '../map-values.ts';

type Part = Readonly<Record<string, unknown>>;

/** Beginning of references to responses. */
export const RESPONSES = '#/components/responses/';

interface Operation {
  readonly parameters?: readonly Part[];
}

type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

/** A reference to a named schema, and the schema that it replaces. */
interface Use {
  readonly reference: Record<string, unknown>;
  readonly schema: Part;
}

/** Keywords whose values are data, in which `title` does not name a schema. */
const DATA = new Set(['default', 'enum', 'example', 'examples']);

/** Keywords whose values are maps. The keys of a map are not keywords. */
const MAPS = new Set(['content', 'paths', 'patternProperties', 'properties', 'responses', 'schemas']);

/** Keywords that describe a schema. They may differ between its uses. */
const ANNOTATIONS = ['default', 'description', 'example', 'examples'];

/**
 * Replaces every schema that has a title by a reference to the component of that name, and every response whose
 * description is a reference by that reference. Annotations that all uses share stand in the component, the others beside
 * `$ref`.
 * @param responses the named responses
 * @throws Error when two different parts have the same name
 */
export function withComponents(document: Part, responses: Part): Part {
  const uses = new Map<string, Use[]>();
  const refer = (part: Part): Part => {
    const { title, ...others } = part;
    if (typeof part['description'] === 'string' && part['description'].startsWith(RESPONSES))
      return { $ref: part['description'] };
    if (typeof title !== 'string') return part;
    const reference = { $ref: `#/components/schemas/${title}` };
    const ofName = uses.get(title) ?? [];
    ofName.push({ reference, schema: others });
    uses.set(title, ofName);
    return reference;
  };
  const components = document['components'] as Readonly<Record<string, Part>>;
  const { paths, parameters } = withParameters(rewrite(document['paths'], refer) as Paths);
  const referring = mapValues(responses, (part) => rewrite(part, refer));
  const schemas = new Map([...uses].map(([name, ofName]) => [name, componentOf(name, ofName)]));
  return {
    ...document,
    components: {
      ...components,
      schemas: sorted({ ...components['schemas'], ...Object.fromEntries(schemas) }),
      responses: sorted(referring),
      parameters: sorted({ ...components['parameters'], ...parameters }),
    },
    paths,
  };
}

/** Replaces parameters that several operations share by references to components of their names. */
function withParameters(paths: Paths): { paths: Paths; parameters: Record<string, Part> } {
  const all = Object.values(paths).flatMap((methods) =>
    Object.values(methods).flatMap(({ parameters = [] }) => parameters),
  );
  const isShared = (one: Part): boolean => all.filter((other) => isDeepStrictEqual(one, other)).length > 1;
  const parameters: Record<string, Part> = {};
  const refer = (parameter: Part): Part => {
    if ('$ref' in parameter || !isShared(parameter)) return parameter;
    const name = String(parameter['name']).replace(/^./, (letter) => letter.toUpperCase());
    requireSame(name, (parameters[name] ??= parameter), parameter);
    return { $ref: `#/components/parameters/${name}` };
  };
  const withReferences = (operation: Operation): Operation =>
    operation.parameters === undefined ? operation : { ...operation, parameters: operation.parameters.map(refer) };
  return { paths: mapValues(paths, (methods) => mapValues(methods, withReferences)), parameters };
}

/** Changes every object in a part, the inner ones first. */
function rewrite(part: unknown, change: (part: Part) => Part): unknown {
  if (Array.isArray(part)) return part.map((inner) => rewrite(inner, change));
  if (!isPart(part)) return part;
  const entries = Object.entries(part).map(([key, inner]) => {
    if (DATA.has(key)) return [key, inner];
    if (MAPS.has(key) && isPart(inner)) return [key, mapValues(inner, (named) => rewrite(named, change))];
    return [key, rewrite(inner, change)];
  });
  return change(Object.fromEntries(entries) as Part);
}

/** Makes the component of a name, and gives each reference the annotations that are its own. */
function componentOf(name: string, uses: readonly Use[]): Part {
  const [{ schema: first }] = uses as [Use];
  const own = ANNOTATIONS.filter((key) => uses.some(({ schema }) => !isDeepStrictEqual(schema[key], first[key])));
  const component = without(first, own);
  for (const { reference, schema } of uses) {
    requireSame(name, component, without(schema, own));
    for (const key of own) if (schema[key] !== undefined) reference[key] = schema[key];
  }
  return component;
}

const without = (part: Part, keys: readonly string[]): Part =>
  Object.fromEntries(Object.entries(part).filter(([key]) => !keys.includes(key)));

function requireSame(name: string, one: Part, other: Part): void {
  if (!isDeepStrictEqual(one, other)) {
    throw new Error(`two parts have the name ${name}: ${JSON.stringify(one)} and ${JSON.stringify(other)}`);
  }
}

const isPart = (value: unknown): value is Part => typeof value === 'object' && value !== null;

const sorted = (parts: Part): Part =>
  Object.fromEntries(Object.entries(parts).toSorted(([one], [other]) => (one < other ? -1 : 1)));
