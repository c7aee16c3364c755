import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TYPESCRIPT_TYPES } from '../../../openapi/generate.ts';
import { npmTools } from '../../../openapi/generators/npm-tools.ts';
import { typescriptTypes } from '../../../openapi/generators/typescript-types.ts';
import { ServiceProcess } from '../../e2e/process.ts';
import { ROOT } from '../../python/environment.ts';
import { readSafetensors } from '../../safetensors-file.ts';
import { LOSS } from '../formats.ts';
import { DOCUMENT, GENERATORS, environment, sourcesOf } from './generator.ts';
import type { Command } from './generator.ts';

/** Number of digits of a loss on which all kernels agree. */
const DIGITS = 7;

/** Warnings of OpenAPI Generator that do not concern the document. */
const OF_THE_GENERATOR = [
  'OpenAPI 3.1 support is still in beta',
  // Printed for every `additionalProperties: false` in OpenAPI 3.1.
  'Failed to get the schema name: null',
  // openapi-python-client does not support line-delimited bodies: its client sends JSON.
  'Client was generated, but some pieces may be missing',
  'WARNING parsing POST /v1/runs/{run}/batches within runs.',
  'Unsupported content type application/x-ndjson',
  'Unsupported content type application/jsonl',
];

/** Pattern of names that generators invent for schemas without a name. */
const MADE_UP = /AnyOf|OneOf|AllOf|Inner|Def\d|(?:Item|Type|Value|Body|Response)_?\d+$/;

interface Document {
  paths: Record<string, Record<string, { operationId: string }>>;
}

const { paths } = JSON.parse(readFileSync(DOCUMENT, 'utf8')) as Document;
const operationIds = Object.values(paths).flatMap((methods) =>
  Object.values(methods).map(({ operationId }) => operationId),
);

/** The example as JSON, with the bytes of tensors in base64. */
function batchOf(file: string): object {
  const { tensors } = readSafetensors(readFileSync(file));
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { data, ...tensor }]) => [
      name,
      { ...tensor, data: Buffer.from(data).toString('base64') },
    ]),
  );
}

let service: ServiceProcess;
let root: string;
let batch: string;
beforeAll(async () => {
  // Below the folder of the tools, so that the programs find the npm packages.
  root = mkdtempSync(path.join(npmTools(), 'clients-'));
  batch = path.join(root, 'batch.json');
  writeFileSync(batch, JSON.stringify(batchOf(path.join(ROOT, 'examples/char-lm.safetensors'))));
  service = await ServiceProcess.start();
});
afterAll(async () => {
  await service.end();
  rmSync(root, { recursive: true });
});

test('the types of the client in TypeScript are the generated ones: run `npm run generate` when this fails', () => {
  expect(readFileSync(path.join(ROOT, TYPESCRIPT_TYPES), 'utf8')).toBe(typescriptTypes());
});

test('names that generators made of the document without names are found', () => {
  const names = ['PostV1CrossEntropyBodyOptionsAnyOf1', 'ModelMetadataInputsInner', 'Def0', 'LossType1'];
  expect(names.filter((name) => !MADE_UP.test(name))).toEqual([]);
});

describe.each(Object.entries(GENERATORS))('%s', (name, generator) => {
  const folder = (): string => path.join(root, name.replaceAll(/\W+/g, '-'));

  /** Runs a command in the folder. @returns its output */
  function run([program, ...args]: Command): string {
    const { status, error, stdout, stderr } = spawnSync(program, args, {
      ...{ cwd: folder(), env: environment(), encoding: 'utf8', maxBuffer: 2 ** 26, timeout: 240_000 },
    });
    if (error !== undefined) throw error;
    expect(status, `${stdout}\n${stderr}`).toBe(0);
    return stdout + stderr;
  }

  test('generates a client without a warning', () => {
    mkdirSync(folder());
    const warnings = run(generator.generate())
      .split('\n')
      .filter((line) => /\b(?:warn|error|unsupported|unable|skipp)/i.test(line));
    expect(warnings.filter((line) => !OF_THE_GENERATOR.some((known) => line.includes(known)))).toEqual([]);
  });

  test('has every operation', () => {
    const sources = sourcesOf(folder());
    expect(operationIds.length).toBeGreaterThan(30);
    const missing = operationIds.filter((id) => !new RegExp(`\\b${generator.nameOf(id)}\\b`).test(sources));
    expect(missing).toEqual([]);
  });

  test('names its types readably', () => {
    const types = Array.from(sourcesOf(folder()).matchAll(generator.types), ([, type]) => type!);
    expect(types).toEqual(expect.arrayContaining(['CrossEntropyRequest', 'Evaluation', 'LossOptions', 'Problem']));
    expect(types.filter((type) => MADE_UP.test(type))).toEqual([]);
  });

  test('compiles, and gets the loss of the example', () => {
    generator.addProgram(folder());
    run(generator.compile());
    const [program, ...args] = generator.evaluate();
    const loss = run([program, ...args, service.url, batch]);
    expect(Number(loss).toFixed(DIGITS)).toBe(LOSS.toFixed(DIGITS));
  });
});
