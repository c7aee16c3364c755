/** Checks and runs the TypeScript of the documentation unchanged. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { Service } from '../service.ts';
import { readBlocks, readPages, ROOT } from './pages.ts';
import type { Block } from './pages.ts';

const run = promisify(execFile);
const service = Service.start();
const folder = mkdtempSync(join(tmpdir(), 'lossmeter-typescript-'));
afterAll(() => rmSync(folder, { recursive: true }));

const blocks = readPages()
  .flatMap(readBlocks)
  // `npm run test:extending` applies the blocks of docs/extending.md.
  .filter(({ language, place }) => language === 'ts' && !place.startsWith('docs/extending.md'));

/** Writes a block as a program for the service under test and the sources of the client. */
function writeProgram({ text }: Block, name: string): string {
  const client = pathToFileURL(join(ROOT, 'clients/typescript/src/index.ts')).pathname;
  const program = text.replace("'lossmeter-client'", `'${client}'`).replace('http://127.0.0.1:8080', service.url);
  writeFileSync(join(folder, name), program);
  return join(folder, name);
}

test('there are programs of the page and of the README', () => {
  const counts = Map.groupBy(blocks, ({ place }) => place.split(':')[0]!);
  expect([...counts.keys()].toSorted()).toEqual(['clients/typescript/README.md', 'docs/typescript.md']);
  expect(counts.get('docs/typescript.md')).toHaveLength(5);
});

test('their types are right', async () => {
  const files = blocks.map((block, k) => writeProgram(block, `typed-${k}.mts`));
  const config = {
    extends: join(ROOT, 'clients/typescript/tsconfig.json'),
    compilerOptions: {
      rewriteRelativeImportExtensions: false,
      allowImportingTsExtensions: true,
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
      noEmit: true,
      rootDir: '/',
    },
    include: [],
    files,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const { stdout } = await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe('');
});

/** Pattern of the comment after a printing call. In the comment `…` stands for further digits. */
const PRINTED = /console\.log\(.*\); \/\/ (.*)$/gm;

test.each(blocks)('$place prints what it says', async (block) => {
  const env = { ...process.env, LOSSMETER_URL: service.url };
  const { stdout } = await run(process.execPath, [writeProgram(block, 'program.mts')], { env });
  const said = [...block.text.matchAll(PRINTED)].map(([, text]) => text!);
  expect(said).not.toEqual([]);
  const lines = stdout.trim().split('\n');
  expect(lines).toHaveLength(said.length);
  for (const [k, text] of said.entries()) {
    const pattern = text
      .split('…')
      .map((part) => RegExp.escape(part))
      .join('\\d*');
    expect(lines[k]).toMatch(new RegExp(`^${pattern}$`));
  }
});
