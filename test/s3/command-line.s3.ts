import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { ROOT } from '../e2e/process.ts';
import { encode, seededRandom } from '../rows.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { FaultProxy } from './fault-proxy.ts';
import { TestStorage } from './storage.ts';

const storage = TestStorage.start('commands');
const folder = mkdtempSync(join(tmpdir(), 'lossmeter-s3-'));
afterAll(() => rmSync(folder, { recursive: true }));

const FIXTURES = join(ROOT, 'test/fixtures/llama-kld');

interface Ended {
  status: number;
  stdout: string;
  stderr: string;
}

async function lossmeter(...args: string[]): Promise<Ended> {
  return lossmeterIn({}, ...args);
}

async function lossmeterIn(environment: Record<string, string>, ...args: string[]): Promise<Ended> {
  const env = { ...process.env, ...storage.environment, ...environment };
  const child = spawn(process.execPath, [join(ROOT, 'src/cli/bin.js'), ...args], { cwd: folder, env });
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { status: status as number, stdout, stderr };
}

interface Document {
  total: object;
  files: { file: string; reference?: string }[];
}

async function documentOf(...args: string[]): Promise<Document> {
  const { stdout, stderr } = await lossmeter(...args, '--json');
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Document;
}

const namesOf = ({ files }: Document): string[] => files.map(({ file }) => file);

/** A document with the names of local files as if they were objects. */
const asObjects = (document: Document): unknown =>
  JSON.parse(JSON.stringify(document).replaceAll(`${folder}/`, 's3://commands/'));

const random = seededRandom(5);
const ROWS = 40;
const CLASSES = 30;

function step(): Buffer {
  const logits: Tensor = {
    dtype: 'float32',
    shape: [ROWS, CLASSES],
    data: encode(
      'float32',
      Array.from({ length: ROWS * CLASSES }, () => (random() - 0.5) * 10),
    ),
  };
  const label: Tensor = {
    dtype: 'uint8',
    shape: [ROWS],
    data: Uint8Array.from({ length: ROWS }, (_, k) => k % CLASSES),
  };
  return safetensorsFile([
    ['logits', logits],
    ['label', label],
    ['reference', logits],
  ]);
}

const KEYS = [
  'steps/1.safetensors',
  'steps/2.safetensors',
  'steps/10.safetensors',
  'steps/deep/3.safetensors',
  'steps/[a].safetensors',
];

function contentOf(key: string): Buffer {
  if (key === 'near.safetensors' || key === 'base.kld') return readFileSync(join(FIXTURES, key));
  return key.endsWith('.txt') ? Buffer.from('loss went down') : step();
}

beforeAll(async () => {
  mkdirSync(join(folder, 'steps/deep'), { recursive: true });
  for (const key of [...KEYS, 'steps/notes.txt', 'other/4.safetensors', 'near.safetensors', 'base.kld']) {
    const bytes = contentOf(key);
    if (!key.startsWith('other/')) writeFileSync(join(folder, key), bytes);
    await storage.put(key, bytes);
  }
});
beforeEach(() => storage.proxy.fail());

describe('lossmeter evaluate', () => {
  test.each([
    ['an object', 'steps/1.safetensors', ['steps/1.safetensors']],
    [
      'a folder',
      'steps/',
      ['steps/1.safetensors', 'steps/10.safetensors', 'steps/2.safetensors', 'steps/[a].safetensors'],
    ],
    ['a pattern', 'steps/?.safetensors', ['steps/1.safetensors', 'steps/2.safetensors']],
    ['a pattern of one level', 'steps/1*.safetensors', ['steps/1.safetensors', 'steps/10.safetensors']],
    ['a pattern of all levels', 'steps/**/[0-9]*.safetensors', KEYS.slice(0, 4).toSorted()],
    ['a name that looks like a pattern', 'steps/[a].safetensors', ['steps/[a].safetensors']],
  ])('evaluates %s as it does local files', async (_what, pattern, keys) => {
    const [local, remote] = await Promise.all([
      documentOf('evaluate', join(folder, pattern)),
      documentOf('evaluate', `s3://commands/${pattern}`),
    ]);
    expect(namesOf(remote)).toEqual(keys.map((key) => `s3://commands/${key}`));
    expect(remote).toEqual(asObjects(local));
  });

  test('names each object once, and evaluates objects beside local files', async () => {
    const local = join(folder, 'steps/2.safetensors');
    const again = 's3://commands/steps/1.safetensors';
    const { stdout, stderr } = await lossmeter('evaluate', 's3://commands/steps/1*', again, local, '--json');
    expect(stderr).toBe(`these files are named more than once, but are counted once: ${again}\n`);
    expect(namesOf(JSON.parse(stdout) as Document)).toEqual([
      local,
      's3://commands/steps/1.safetensors',
      's3://commands/steps/10.safetensors',
    ]);
  });

  test.each([
    ['s3://commands/missing.safetensors', 'no file has this name or matches it'],
    ['s3://commands/missing/*.safetensors', 'no file has this name or matches it'],
    ['s3://commands/missing/', 'no file has this name or matches it'],
    ['s3://no-such-bucket/*.safetensors', 'there is no such bucket'],
    ['s3://commands', 'names no object'],
    ['s3://commands/steps/notes.txt', 'is not a valid safetensors file'],
  ])('%s: exit code 2', async (name, says) => {
    const { status, stderr } = await lossmeter('evaluate', name);
    expect(status).toBe(2);
    expect(stderr).toContain(says);
    expect(stderr).not.toContain('    at ');
  });

  test('a storage that does not answer: exit code 2', async () => {
    storage.proxy.fail(() => ({ status: 503, code: 'SlowDown' }));
    const { status, stderr } = await lossmeter('evaluate', 's3://commands/steps/*');
    expect(status).toBe(2);
    expect(stderr).toContain('cannot be read from the object storage: it answers 503');
  });
});

describe('lossmeter compare', () => {
  const args = (place: string): string[] => [
    'compare',
    '--reference',
    `${place}/base.kld`,
    `${place}/near.safetensors`,
  ];

  test('compares with a llama.cpp logit file that is an object', async () => {
    const [local, remote] = await Promise.all([documentOf(...args(folder)), documentOf(...args('s3://commands'))]);
    expect(remote).toEqual(asObjects(local));
  });

  test('compares objects with references that a pattern names', async () => {
    const pattern = (place: string): string[] => [
      ...['compare', '--tensor', 'reference=reference', '--reference', `${place}/steps/1*`],
      `${place}/steps/[12].safetensors`,
    ];
    const [local, remote] = await Promise.all([
      documentOf(...pattern(folder)),
      documentOf(...pattern('s3://commands')),
    ]);
    expect(remote.files).toHaveLength(2);
    expect(remote).toEqual(asObjects(local));
  });
});

test('more objects than one page of a listing has', async () => {
  const bytes = step();
  const put = Array.from({ length: 1005 }, (_, k) => k);
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let k = put.pop(); k !== undefined; k = put.pop())
        await storage.put(`many/${k}`, k % 100 === 7 ? bytes : Buffer.of(0));
    }),
  );
  const document = await documentOf('evaluate', 's3://commands/many/*07');
  expect(namesOf(document)).toEqual(
    ['s3://commands/many/107', 's3://commands/many/207'].concat(
      [307, 407, 507, 607, 707, 807, 907].map((k) => `s3://commands/many/${k}`),
    ),
  );
  const lists = storage.proxy.asked.filter(({ path }) => path.includes('list-type=2'));
  expect(lists).toHaveLength(2);
});

test('an endpoint with TLS, whose certificate must be trusted', async () => {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const made = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
    ...subject,
  ];
  execFileSync('openssl', made, { stdio: 'ignore' });
  await using proxy = await FaultProxy.start(inject('s3'), { key: readFileSync(key), cert: readFileSync(cert) });
  const rows = 4096;
  const logits: Tensor = {
    dtype: 'float32',
    shape: [rows, 1000],
    data: encode(
      'float32',
      Array.from({ length: rows * 1000 }, (_, k) => k % 7),
    ),
  };
  const label: Tensor = { dtype: 'uint8', shape: [rows], data: new Uint8Array(rows) };
  const bytes = safetensorsFile([
    ['logits', logits],
    ['label', label],
  ]);
  writeFileSync(join(folder, 'large.safetensors'), bytes);
  const object = await storage.put('large.safetensors', bytes);
  const local = await documentOf('evaluate', join(folder, 'large.safetensors'));
  const environment = { AWS_ENDPOINT_URL_S3: proxy.url, NODE_EXTRA_CA_CERTS: cert };
  const { stdout } = await lossmeterIn(environment, 'evaluate', '--json', object);
  expect(JSON.parse(stdout)).toEqual(asObjects(local));
  const { status, stderr } = await lossmeterIn({ AWS_ENDPOINT_URL_S3: proxy.url }, 'evaluate', object);
  expect(status).toBe(2);
  expect(stderr).toContain('cannot be read from the object storage: DEPTH_ZERO_SELF_SIGNED_CERT');
});
