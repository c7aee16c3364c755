/** Settings of the service in the schema of the Helm chart's values. */
import { Config } from '../src/config.ts';

/** Settings that another value of the chart controls, or that belong in a Secret. */
const ELSEWHERE: readonly (keyof Config)[] = [
  'host',
  'port',
  'socket',
  'store',
  'drainSeconds',
  'apiKeysFile',
  'allowAnonymous',
  'allowedHosts',
  'dataDir',
  'workerTasks',
  'webhookSecret',
  'mlflowTrackingToken',
];

/** @returns the text of values.schema.json with the settings as src/config.ts describes them */
export function fillSettings(text: string): string {
  const schema = JSON.parse(text) as { properties: { settings: { properties: object } } };
  const chosen = Object.entries(Config.properties as Record<string, { default?: unknown }>).filter(
    ([name]) => !ELSEWHERE.some((other) => other === name),
  );
  // Omits the default of `workers`, which depends on the machine that generates.
  const described = chosen.map(([name, { default: value, ...setting }]) => [
    name,
    { ...setting, ...(name !== 'workers' && value !== undefined && { default: value }) },
  ]);
  schema.properties.settings.properties = Object.fromEntries(described) as object;
  return `${JSON.stringify(schema, null, 2)}\n`;
}
