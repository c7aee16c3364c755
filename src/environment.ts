/** Environment variables of the configuration: their names, their values, and a check for unknown variables. */
import { Type, Value } from '#typebox';
import type { TSchema } from '#typebox';
import { Config, CONFIG_KEYS, snakeCase } from './config.ts';
import type { ConfigKey } from './config.ts';
import { explainSchemaError, schemaErrors } from './schema-errors.ts';
import type { SchemaError } from './schema-errors.ts';
import { suggestName } from './suggestion.ts';

/** Variables that MLflow’s own clients read. */
const SHARED_PREFIX = /^mlflow/;

const PREFIX = 'LOSSMETER_';

/** maxBodyBytes → LOSSMETER_MAX_BODY_BYTES; mlflowTrackingUri → MLFLOW_TRACKING_URI */
function environmentName(key: ConfigKey): string {
  return `${SHARED_PREFIX.test(key) ? '' : PREFIX}${snakeCase(key).toUpperCase()}`;
}

/** The variables with their defaults and meanings, for documentation. */
export function describeConfig(): { name: string; default: string; description: string }[] {
  return CONFIG_KEYS.map((key) => {
    const schema = Config.properties[key] as { default?: string | number | boolean; description?: string };
    return {
      name: environmentName(key),
      default: String(schema.default ?? 'off'),
      description: schema.description ?? '',
    };
  });
}

/**
 * Reads the configuration from environment variables.
 * @throws Error that names the variable and its valid values
 */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const schema = Type.Object(
    Object.fromEntries(CONFIG_KEYS.map((key): [string, TSchema] => [environmentName(key), Config.properties[key]])),
  );
  const given = Object.entries(schema.properties)
    .filter(([name]) => environment[name] !== undefined)
    .map(([name, property]) => [name, convert(environment[name]!, (property as { type?: string }).type)]);
  const values = Value.Default(schema, Object.fromEntries(given)) as Record<string, unknown>;
  if (!Value.Check(schema, values)) {
    throw new Error(
      schemaErrors(schema, values)
        .map((error) => explain(error, schema))
        .join('\n'),
    );
  }
  return Object.fromEntries(CONFIG_KEYS.map((key) => [key, values[environmentName(key)]])) as Config;
}

/** Converts text to the type of a schema; keeps other text, which the check then rejects. */
function convert(text: string, type: string | undefined): unknown {
  if (type === 'boolean') return text === 'true' || (text === 'false' ? false : text);
  if (type !== 'integer' && type !== 'number') return text;
  return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
}

/** Names the variable and its valid values. Values are not shown, because they may be secrets. */
function explain(error: SchemaError, schema: TSchema): string {
  return `${error.instancePath.slice(1)} ${explainSchemaError(error, schema)}`;
}

/** Variables of the clients, which may be set in the shell that starts the service. */
const OF_CLIENTS: ReadonlySet<string> = new Set(['LOSSMETER_URL', 'LOSSMETER_API_KEY']);

/**
 * Unknown variables with the service's prefix, which are probably misspelt, and the variable that was probably meant. They
 * cause only a warning, because Kubernetes sets such variables itself for a Service named lossmeter.
 */
export function unknownVariables(
  environment: NodeJS.ProcessEnv = process.env,
): { name: string; meant: string | undefined }[] {
  const known = new Set(CONFIG_KEYS.map(environmentName));
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !known.has(name) && !OF_CLIENTS.has(name))
    .map((name) => ({ name, meant: suggestVariable(name.slice(PREFIX.length)) }));
}

/** The variable that was probably meant. @param name without the prefix, which would make all names look alike */
export function suggestVariable(name: string): string | undefined {
  const names = CONFIG_KEYS.filter((key) => !SHARED_PREFIX.test(key)).map(snakeCase);
  const meant = suggestName(name, names);
  return meant === undefined ? undefined : PREFIX + meant.toUpperCase();
}
