import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { environmentOf, pythonOf } from '../python/environment.ts';
import { CLIENTS_OF_OTHERS } from '../python/suites.ts';
import { FORMAT_NAMES, LOSS, writeFormats } from './formats.ts';

const run = promisify(execFile);

const programOf = (name: string): string => fileURLToPath(new URL(`programs/${name}`, import.meta.url));
const EXAMPLE = fileURLToPath(new URL('../../examples/char-lm.safetensors', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-clients-'));
let manifest: string;
let python: string;
let service: ServiceProcess;
beforeAll(async () => {
  python = pythonOf(environmentOf(CLIENTS_OF_OTHERS));
  manifest = writeFormats(folder);
  service = await ServiceProcess.start();
});
afterAll(async () => {
  await service.end();
  rmSync(folder, { recursive: true });
});

/** Answer to a body that a client posted. */
interface Answer {
  name: string;
  status: number;
  /** Loss, with the digits on which all kernels agree. */
  loss: string;
}

/** Parses a line of a program's output: name, status and body, separated by tabs. */
function answerOf(line: string): Answer {
  const [name, status, body] = line.split('\t') as [string, string, string];
  const { loss, outputs } = JSON.parse(body) as { loss?: number; outputs?: { name: string; data: number[] }[] };
  const given = loss ?? outputs?.find((output) => output.name === 'loss')?.data[0] ?? Number.NaN;
  return { name, status: Number(status), loss: given.toFixed(7) };
}

/** Runs a client. @throws Error that names the missing program */
async function answersOf(program: string, args: readonly string[]): Promise<Answer[]> {
  const environment = { ...process.env, no_proxy: '127.0.0.1' };
  const { stdout } = await run(program, args, { maxBuffer: 2 ** 26, env: environment }).catch((error: Error) => {
    if (!('code' in error) || error.code !== 'ENOENT') throw error;
    throw new Error(`${program} is missing: CONTRIBUTING.md says what \`npm run test:clients\` needs`);
  });
  return stdout.trim().split('\n').map(answerOf);
}

const expected = (names: readonly string[]): Answer[] =>
  names.map((name) => ({ name, status: 200, loss: LOSS.toFixed(7) }));

/** Clients that post the bodies of the manifest, with their programs. */
const CLIENTS: Readonly<Record<string, () => [program: string, args: string[]]>> = {
  'fetch of Node.js': () => [process.execPath, [programOf('post.mjs'), service.url, manifest]],
  'net/http of Go': () => ['go', ['run', programOf('post.go'), service.url, manifest]],
  'HttpClient of Java': () => ['java', [programOf('Post.java'), service.url, manifest, 'HttpClient']],
  'HttpURLConnection of Java': () => ['java', [programOf('Post.java'), service.url, manifest, 'HttpURLConnection']],
  requests: () => [python, [programOf('post.py'), service.url, manifest, 'requests']],
  httpx: () => [python, [programOf('post.py'), service.url, manifest, 'httpx']],
  urllib3: () => [python, [programOf('post.py'), service.url, manifest, 'urllib3']],
  aiohttp: () => [python, [programOf('post.py'), service.url, manifest, 'aiohttp']],
};

test.each(Object.keys(CLIENTS))('%s gets the loss of the example in every format', async (client) => {
  expect(await answersOf(...CLIENTS[client]!())).toEqual(expected(FORMAT_NAMES));
});

/** Options of curl for the ways to send a body. */
const CURL = {
  'HTTP/1.0': ['--http1.0'],
  'HTTP/1.1': ['--http1.1'],
  'Expect: 100-continue': ['--http1.1', '--header', 'Expect: 100-continue'],
  'chunks of unknown length': ['--http1.1', '--header', 'Transfer-Encoding: chunked'],
  'chunks and Expect': ['--http1.1', '--header', 'Transfer-Encoding: chunked', '--header', 'Expect: 100-continue'],
} as const;

test.each(Object.keys(CURL) as (keyof typeof CURL)[])('curl with %s gets it in every format', async (way) => {
  const answers: Answer[] = [];
  for (const line of readFileSync(manifest, 'utf8').trim().split('\n')) {
    const [name, path, file, ...fields] = line.split('\t');
    const headers = fields.flatMap((field) => ['--header', field]);
    const body = ['--data-binary', `@${file}`, '--write-out', '\\t%{http_code}'];
    const args = ['--silent', '--show-error', ...CURL[way], ...headers, ...body, service.url + path];
    const { stdout } = await run('curl', args, { maxBuffer: 2 ** 26 });
    const [answer, status] = stdout.split('\t');
    answers.push(answerOf([name, status, answer].join('\t')));
  }
  expect(answers).toEqual(expected(FORMAT_NAMES));
});

describe('clients that encode it themselves', () => {
  test.each([
    ['msgpack-numpy', ['application/vnd.msgpack', 'application/json']],
    ['tritonclient', ['binary', 'json'].flatMap((form) => ['None', 'gzip', 'deflate'].map((one) => `${form}, ${one}`))],
    ['kserve', ['binary', 'json']],
  ])('%s', async (client, names) => {
    const args = [programOf('encode.py'), service.url, EXAMPLE, client];
    expect(await answersOf(python, args)).toEqual(expected(names));
  });
});

test('a client that is missing is named', async () => {
  await expect(answersOf('no-such-client', [])).rejects.toThrow('no-such-client is missing');
});

test('the versions are told', () => {
  const versions = [
    execFileSync('curl', ['--version']).toString().split('\n', 1)[0],
    execFileSync('go', ['version']).toString().trim(),
    execFileSync('java', ['--version']).toString().split('\n', 1)[0],
  ];
  console.log(versions.join('\n'));
  expect(versions).toHaveLength(3);
});
