import type { FastifySchemaCompiler } from 'fastify';
import { Type, Value } from '#typebox';
import type { TSchema } from '#typebox';
import { LossmeterError } from '../errors.ts';
import { explainSchemaError, schemaErrors } from '../schema-errors.ts';
import { showValue } from '../suggestion.ts';

/** Names of the parts of a request, for messages. */
const PLACES: Readonly<Record<string, string>> = { params: 'the path', querystring: 'the query', headers: 'the head' };

/**
 * Checks parameters of path and query, after converting their text to the types of their schemas. Bodies are streams:
 * their schemas document them, and the codecs check them.
 */
export const parameterCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart = 'querystring' }) => {
  if (httpPart === 'body') return () => true;
  return (given: unknown) => {
    const value = Value.Default(schema, readValues(schema, given as Readonly<Record<string, unknown>>));
    if (Value.Check(schema, value)) return { value };
    const all = schemaErrors(schema, value).map((error) => {
      const { instancePath, keyword } = error;
      const name = instancePath.slice(1);
      const came = name === '' ? given : (given as Record<string, unknown>)[name];
      const reason = reasonOf(schema, name, came) ?? explainSchemaError(error, schema, 'parameter');
      const what = keyword === 'boolean' ? reason : `${showValue(came)} ${reason}`;
      return { pointer: instancePath, detail: `${name === '' ? PLACES[httpPart] : name}: ${what}` };
    });
    const places = all.filter(({ detail }, k) => all.findIndex((other) => other.detail === detail) === k);
    const detail = `${PLACES[httpPart]} is not valid: ${places.map((place) => place.detail).join('; ')}`;
    return { error: new LossmeterError('bad_request', detail, places) };
  };
};

/** Error of the refinement of a parameter, which is easier to read than the errors of its pattern and bounds. */
function reasonOf(schema: TSchema, name: string, value: unknown): string | undefined {
  const { properties = {} } = schema as { properties?: Record<string, TSchema> };
  const parameter = properties[name];
  return Type.IsRefine(parameter) ? parameter['~refine'][0]?.error(value) : undefined;
}

/** Converts values to the integers and arrays of their schema; keeps other values, which the check then rejects. */
function readValues(schema: TSchema, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { properties = {} } = schema as { properties?: Record<string, { type?: string }> };
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, convert(value, properties[name]?.type)]),
  );
}

function convert(value: unknown, type: string | undefined): unknown {
  if (type === 'integer' && /^-?\d+$/.test(String(value))) return Number(value);
  // A parameter that may be repeated, given once.
  return type === 'array' && typeof value === 'string' ? [value] : value;
}
