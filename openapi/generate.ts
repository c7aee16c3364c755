/**
 * Writes the generated files: openapi/openapi.json, the tables in docs/, the answers of the gallery, the
 * types of the Python client, and the settings in the schema of the Helm chart. Run by `npm run generate`; a test compares.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildApp } from '../src/app.ts';
import { describeConfig, loadConfig } from '../src/environment.ts';
import { ERRORS } from '../src/errors.ts';
import { Options } from '../src/loss/options.ts';
import { fillAnswers } from './gallery.ts';
import { typescriptTypes } from './generators/typescript-types.ts';
import { pythonTypes } from './python-types.ts';
import { fillSettings } from '../tools/helm-settings.ts';
import { code, table } from '../tools/markdown.ts';

const ROOT = new URL('..', import.meta.url);

/** Types of the client in TypeScript. `npm run test:generators` compares them, because they need a package of the registry. */
export const TYPESCRIPT_TYPES = 'clients/typescript/src/document.ts';

/** OpenAPI document of the service. */
async function openApiDocument(): Promise<string> {
  const app = await buildApp({ config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), workers: 1 } });
  await app.ready();
  const document = app.swagger();
  await app.close();
  return `${JSON.stringify(document, null, 2)}\n`;
}

const CHART_SCHEMA = 'deploy/helm/lossmeter/values.schema.json';

/** Describes the values that a schema accepts, for a table. */
function admits(schema: { enum?: string[]; anyOf?: object[]; items?: object; type?: string }): string {
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(admits).join(' or ');
  if (schema.items !== undefined) return `list of ${admits(schema.items)}`;
  return schema.type ?? '';
}

/** Tables by the name of their place: <!-- generated: NAME --> … <!-- end --> */
const TABLES: Record<string, () => string> = {
  options: () =>
    table(
      ['option', 'values', 'default', 'meaning'],
      Object.entries(Options.properties).map(([name, schema]) => {
        const { description = '', default: value } = schema as { description?: string; default?: unknown };
        return [code(name), admits(schema), value === undefined ? 'none' : code(JSON.stringify(value)), description];
      }),
    ),
  configuration: () =>
    table(
      ['variable', 'default', 'meaning'],
      describeConfig().map((variable) => [
        code(variable.name),
        variable.name === 'LOSSMETER_WORKERS'
          ? 'available cores'
          : variable.default === 'off'
            ? 'off'
            : code(variable.default),
        variable.description,
      ]),
    ),
  errors: () =>
    table(
      ['code', 'status', 'title'],
      Object.entries(ERRORS).map(([name, { status, title }]) => [code(name), String(status), title]),
    ),
};

const PLACE = /<!-- generated: (\w+) -->\n[\s\S]*?<!-- end -->/g;

function fillTables(text: string): string {
  return text.replace(PLACE, (_place, name: string) => `<!-- generated: ${name} -->\n${TABLES[name]!()}\n<!-- end -->`);
}

const read = (path: string): Promise<string> => readFile(new URL(path, ROOT), 'utf8');

const filled = (...paths: string[]): Promise<[path: string, text: string][]> =>
  Promise.all(paths.map(async (path) => [path, fillTables(await read(path))]));

/** Every generated file with the text that it should have. */
export async function generate(): Promise<Map<string, string>> {
  return new Map([
    ['openapi/openapi.json', await openApiDocument()],
    ...(await filled('docs/evaluate.md', 'docs/configuration.md', 'docs/errors.md')),
    ['docs/diagnostics.md', await fillAnswers(await read('docs/diagnostics.md'))],
    ['clients/python/src/lossmeter/schemas.py', pythonTypes()],
    [CHART_SCHEMA, fillSettings(await read(CHART_SCHEMA))],
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of await generate()) await writeFile(new URL(path, ROOT), text);
  await writeFile(new URL(TYPESCRIPT_TYPES, ROOT), typescriptTypes());
}
