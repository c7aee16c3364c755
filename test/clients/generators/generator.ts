/** Code generators: how they are run, and how a program with the generated client is compiled and run. */
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { npmTool } from '../../../openapi/generators/npm-tools.ts';
import { ROOT, environmentOf } from '../../python/environment.ts';

/** A program with its arguments. */
export type Command = readonly [program: string, ...args: string[]];

export interface Generator {
  /** Command that writes a client to `client` or `client.ts` in the working folder. */
  readonly generate: () => Command;
  /** Copies the program that uses the client into a folder. */
  readonly addProgram: (folder: string) => void;
  readonly compile: () => Command;
  /** Command that prints the loss of a batch. */
  readonly evaluate: () => Command;
  /** Name of an operation in the client. */
  readonly nameOf: (operationId: string) => string;
  /** Pattern of type declarations in the client. */
  readonly types: RegExp;
}

export const DOCUMENT = path.join(ROOT, 'openapi/openapi.json');
const PROGRAMS = path.join(import.meta.dirname, 'programs');

const python = (): string => {
  const requirements = 'openapi/generators/requirements.txt';
  return path.join(environmentOf({ name: 'generators', requirements }), 'bin');
};

/** Environment of the commands. openapi-python-client needs the formatter in its own folder on the PATH. */
export const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${python()}:${process.env['PATH']}`,
  no_proxy: '127.0.0.1',
});

const TSCONFIG = {
  compilerOptions: {
    ...{ strict: true, target: 'es2022', module: 'esnext', moduleResolution: 'bundler', skipLibCheck: true },
    ...{
      lib: ['es2022', 'dom', 'dom.iterable'],
      types: ['node'],
      outDir: 'dist',
      rewriteRelativeImportExtensions: true,
    },
  },
  include: ['*.ts', 'client/**/*.ts'],
};

function typescript(name: string, { generate, types }: Pick<Generator, 'generate' | 'types'>): Generator {
  return {
    generate,
    addProgram(folder) {
      copyFileSync(path.join(PROGRAMS, `${name}.ts`), path.join(folder, 'program.ts'));
      writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));
      writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
    },
    compile: () => [npmTool('tsc'), '--project', '.'],
    evaluate: () => [process.execPath, 'dist/program.js'],
    nameOf: (operationId) => operationId,
    types,
  };
}

const openapiGenerator = (language: string, ...options: string[]): Command => [
  'openapi-generator-cli',
  ...['generate', '--input-spec', DOCUMENT, '--generator-name', language, '--output', 'client', ...options],
];

const GO_MODULE = ['--git-host', 'example.com', '--git-user-id', 'lossmeter', '--git-repo-id', 'client'];

const pascalCase = (name: string): string => name[0]!.toUpperCase() + name.slice(1);

const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export const GENERATORS: Readonly<Record<string, Generator>> = {
  'openapi-typescript': typescript('openapi-typescript', {
    generate: () => [npmTool('openapi-typescript'), DOCUMENT, '--output', 'client.ts'],
    types: /^ {8}([A-Z]\w*): /gm,
  }),
  '@hey-api/openapi-ts': typescript('hey-api', {
    generate: () => [npmTool('openapi-ts'), '--input', DOCUMENT, '--output', 'client', '--no-log-file'],
    types: /^export (?:type|interface) (\w+)/gm,
  }),
  'OpenAPI Generator, typescript-fetch': typescript('typescript-fetch', {
    generate: () => openapiGenerator('typescript-fetch', '--additional-properties=importFileExtension=.js'),
    types: /^export (?:type|interface) (\w+)/gm,
  }),
  'OpenAPI Generator, go': {
    generate: () => openapiGenerator('go', ...GO_MODULE, '--additional-properties=enumClassPrefix=true'),
    addProgram(folder) {
      mkdirSync(path.join(folder, 'client/evaluate'));
      copyFileSync(path.join(PROGRAMS, 'openapi-generator.go'), path.join(folder, 'client/evaluate/main.go'));
    },
    compile: () => ['sh', '-c', 'cd client && go build -o evaluate/ ./...'],
    evaluate: () => ['client/evaluate/evaluate'],
    nameOf: pascalCase,
    types: /^type ([A-Z]\w*) /gm,
  },
  'openapi-python-client': {
    generate: () => [
      'openapi-python-client',
      ...['generate', '--path', DOCUMENT, '--output-path', 'client'],
      ...['--config', path.join(ROOT, 'openapi/generators/python-client.yaml')],
    ],
    addProgram: (folder) =>
      copyFileSync(path.join(PROGRAMS, 'openapi-python-client.py'), path.join(folder, 'client/evaluate.py')),
    compile: () => ['python', '-W', 'error', '-m', 'compileall', '-q', 'client'],
    evaluate: () => ['python', 'client/evaluate.py'],
    nameOf: snakeCase,
    types: /^class (\w+)/gm,
  },
};

/** Paths and texts of all source files of the client in a folder, as one text. */
export function sourcesOf(folder: string): string {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const sources = paths.filter((name) => /^client\b.*\.(?:ts|go|py)$/.test(name));
  return sources.map((name) => `${name}\n${readFileSync(path.join(folder, name), 'utf8')}`).join('\n');
}
