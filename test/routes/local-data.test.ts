import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { partOf } from '../lists.ts';
import { encode, seededRandom } from '../rows.ts';
import { FOREIGN_FILES } from '../foreign-files.ts';
import { safetensorsFile, withHeader } from '../safetensors-file.ts';
import { JSON_TYPE, MSGPACK, Service, encodeRequest } from '../service.ts';

const parent = mkdtempSync(join(tmpdir(), 'lossmeter-local-data-'));
const dataDir = join(parent, 'data');
mkdirSync(dataDir);
afterAll(() => rmSync(parent, { recursive: true }));

/** Service with slabs of one or two rows: a file is several tasks of several blocks. Small batches are evaluated inline. */
const service = Service.start({ dataDir, workers: 2, slabBytes: 512, inlineLogits: 1000 });
const off = Service.shared();

const tensor = (dtype: DType, shape: number[], values: number[]): Tensor => ({
  dtype,
  shape,
  data: encodeElements('test', dtype, values),
});

const ROWS = 97;
const CLASSES = 61;
const random = seededRandom(7);
const values = Array.from({ length: ROWS * CLASSES }, () => (random() - 0.5) * 20);
const label = tensor(
  'int64',
  [ROWS],
  Array.from({ length: ROWS }, (_, row) => (row * 7) % CLASSES),
);
const inputMask = tensor(
  'bool',
  [ROWS],
  Array.from({ length: ROWS }, (_, row) => Number(row % 5 !== 0)),
);
const weight = tensor(
  'float32',
  [CLASSES],
  Array.from({ length: CLASSES }, (_, c) => 1 + (c % 3)),
);

const logitsOf = (dtype: (typeof FLOAT_DTYPES)[number]): Tensor => ({
  dtype,
  shape: [ROWS, CLASSES],
  data: encode(dtype, values),
});

const write = (name: string, tensors: [string, Tensor][]): void =>
  writeFileSync(join(dataDir, name), safetensorsFile(tensors));

const refer = (file: string, name = 'logits'): unknown => ({ file, tensor: name });

/** A request whose tensors are all in a file. */
const request = (file: string): Record<string, unknown> => ({
  label: refer(file, 'label'),
  input_mask: refer(file, 'input_mask'),
  weight: refer(file, 'weight'),
  logits: refer(file),
});

const LOSS_OPTIONS = { label_smoothing: 0.1, outputs: ['per_token_loss', 'gradient'] };

beforeAll(() => {
  for (const dtype of FLOAT_DTYPES) {
    const all: [string, Tensor][] = [
      ['weight', weight],
      ['logits', logitsOf(dtype)],
      ['label', label],
      ['input_mask', inputMask],
    ];
    write(`${dtype}.safetensors`, all);
  }
});

describe.each(partOf(FLOAT_DTYPES, 3))('%s logits of a file', (dtype) => {
  test.each([JSON_TYPE, MSGPACK])('have the bits of posted ones, named in %s', async (type) => {
    const options = LOSS_OPTIONS;
    const posted = await service.post(
      { label, input_mask: inputMask, weight, options, logits: logitsOf(dtype) },
      { type: MSGPACK },
    );
    expect(posted.status).toBe(200);
    const named = await service.post(
      { ...request(`${dtype}.safetensors`), options },
      { type, headers: { accept: MSGPACK } },
    );
    const inMsgpack = await service.post(
      { label, input_mask: inputMask, weight, options, logits: logitsOf(dtype) },
      { type: MSGPACK, headers: { accept: MSGPACK } },
    );
    expect(named.body).toEqual(inMsgpack.body);
  });
});

test('tensors of files and of the request stand side by side, from several files and in any order', async () => {
  write('labels.safetensors', [['classes', label]]);
  mkdirSync(join(dataDir, 'steps/7'), { recursive: true });
  write('steps/7/rank-0.safetensors', [['x', logitsOf('float32')]]);
  const posted = await service.post({ label, logits: logitsOf('float32') }, { type: MSGPACK });
  for (const type of [JSON_TYPE, MSGPACK]) {
    const logits = refer('steps/7/rank-0.safetensors', 'x');
    const named = await service.post({ logits, label: refer('labels.safetensors', 'classes') }, { type });
    expect(named.body).toEqual(posted.body);
  }
  const streamed = await service.post(
    { label: refer('labels.safetensors', 'classes'), logits: logitsOf('float32') },
    { type: MSGPACK },
  );
  expect(streamed.body).toEqual(posted.body);
});

test('class probabilities, a shift and places of what is not finite are those of posted tensors', async () => {
  const odd = values.map((value, k) => (k % 1777 === 0 ? Number.NaN : value));
  const logits = { ...logitsOf('float64'), data: encode('float64', odd) };
  const probabilities = tensor(
    'float32',
    [ROWS, CLASSES],
    values.map(() => 1 / CLASSES),
  );
  write('probabilities.safetensors', [
    ['logits', logits],
    ['label', probabilities],
  ]);
  const options = { shift: 2, outputs: ['per_token_loss', 'lse', 'gradient'] };
  const posted = await service.post({ label: probabilities, options, logits }, { type: MSGPACK });
  const file = 'probabilities.safetensors';
  const named = await service.post({ label: refer(file, 'label'), options, logits: refer(file) });
  expect(posted.body.diagnostics.locations).toHaveLength(4);
  expect(named.body).toEqual(posted.body);
});

test('a small batch is evaluated at once, an empty one too', async () => {
  write('small.safetensors', [
    ['logits', tensor('float32', [1, 2], [0, 0])],
    ['label', tensor('int8', [1], [1])],
  ]);
  write('empty.safetensors', [
    ['logits', tensor('float32', [0, 2], [])],
    ['label', tensor('int8', [0], [])],
  ]);
  const answer = (file: string) =>
    service.post({ logits: refer(file), label: refer(file, 'label'), options: { reduction: 'sum' } });
  expect((await answer('small.safetensors')).body.loss).toBe(Math.LN2);
  expect((await answer('empty.safetensors')).body.loss).toBe(0);
});

test('a shard of the vocabulary can stand in a file', async () => {
  const shard = { vocab_start: 0, vocab_size: CLASSES };
  const path = '/v1/cross-entropy/partials';
  const posted = await service.post({ ...shard, label, logits: logitsOf('float32') }, { type: MSGPACK, path });
  const named = await service.post(
    { ...shard, label: refer('float32.safetensors', 'label'), logits: refer('float32.safetensors') },
    { path },
  );
  expect(named.status).toBe(200);
  expect(named.body).toEqual(posted.body);
});

test('/v1/info tells whether files can be named', async () => {
  const tells = async (from: Service): Promise<unknown> =>
    ((await (await from.get('/v1/info')).json()) as { local_data: unknown }).local_data;
  expect([await tells(service), await tells(off)]).toEqual([true, false]);
});

describe('a file that may not be read is refused', () => {
  beforeAll(() => {
    writeFileSync(join(parent, 'secret.safetensors'), safetensorsFile([['logits', logitsOf('float32')]]));
    mkdirSync(join(parent, 'data-of-others'));
    writeFileSync(
      join(parent, 'data-of-others/secret.safetensors'),
      safetensorsFile([['logits', logitsOf('float32')]]),
    );
    symlinkSync('../secret.safetensors', join(dataDir, 'out.safetensors'));
    symlinkSync(join(parent, 'data-of-others'), join(dataDir, 'folder-out'));
    symlinkSync('nowhere', join(dataDir, 'dangling'));
    symlinkSync('circle', join(dataDir, 'circle'));
    mkdirSync(join(dataDir, 'folder.safetensors'));
    execFileSync('sh', ['-c', `mkfifo '${join(dataDir, 'pipe')}'`]);
  });

  test.each([
    ['../secret.safetensors', 'contains ".."'],
    ['steps/../../secret.safetensors', 'contains ".."'],
    ['steps\\..\\..\\secret.safetensors', 'contains ".."'],
    ['float32.safetensors/../float32.safetensors', 'contains ".."'],
    [join(dataDir, 'float32.safetensors'), 'is an absolute path'],
    ['/etc/passwd', 'is an absolute path'],
    ['out.safetensors', 'leads out of the data directory'],
    ['folder-out/secret.safetensors', 'leads out of the data directory'],
    ['float32.safetensors\0.txt', 'contains a NUL'],
    ['', 'the name of the file of logits is empty'],
  ])('%j: 403', async (file, says) => {
    const { status, body } = await service.post({ logits: refer(file), label });
    expect([status, body.code]).toEqual([403, 'file_forbidden']);
    expect(body.detail).toContain(says);
    expect(body.errors).toEqual([{ pointer: '/logits/file', detail: body.detail }]);
  });

  test.each([
    ['missing.safetensors', 'there is no such file'],
    ['dangling', 'there is no such file'],
    ['circle', 'symbolic links form a loop'],
    ['float32.safetensors/x', 'a part of its path is not a folder'],
    ['folder.safetensors', 'is a folder'],
    ['.', 'is a folder'],
    ['pipe', 'is not a regular file'],
    ['x'.repeat(300), 'its name is too long'],
  ])('%j: 422', async (file, says) => {
    const { status, body } = await service.post({ logits: refer(file), label });
    expect([status, body.code]).toEqual([422, 'file_unreadable']);
    expect(body.detail).toContain(says);
    expect(body.errors).toEqual([{ pointer: '/logits/file', detail: body.detail }]);
  });

  test('where no data directory is configured, with how to turn it on', async () => {
    for (const type of [JSON_TYPE, MSGPACK]) {
      for (const field of ['logits', 'label', 'input_mask', 'weight']) {
        const logits = [[0, 1]];
        const { status, body } = await off.post(
          { logits, label: [1], [field]: refer('float32.safetensors') },
          { type },
        );
        expect([status, body.code]).toEqual([403, 'local_data_off']);
        expect(body.detail).toContain('LOSSMETER_DATA_DIR');
        expect(body.errors?.[0]?.pointer).toBe(`/${field}/file`);
      }
    }
  });

  test('but a link within the data directory is followed', async () => {
    symlinkSync('float32.safetensors', join(dataDir, 'link.safetensors'));
    symlinkSync('steps', join(dataDir, 'more-steps'));
    for (const [file, name] of [
      ['link.safetensors', 'logits'],
      ['more-steps/7/rank-0.safetensors', 'x'],
      ['./float32.safetensors', 'logits'],
    ]) {
      expect(
        (await service.post({ logits: refer(file!, name), label: refer('link.safetensors', 'label') })).status,
      ).toBe(200);
    }
  });
});

describe('a file that is not right is refused', () => {
  const whole = safetensorsFile([['logits', logitsOf('float32')]]);

  test.each<[string, Buffer, string]>([
    ['cut off', whole.subarray(0, -1), 'it is cut off'],
    ['cut off in its header', whole.subarray(0, 20), 'its header should end at byte'],
    ['cut off in its length', whole.subarray(0, 7), 'it has 7 bytes'],
    ['with bytes to spare', Buffer.concat([whole, Buffer.of(0)]), 'its tensors end at byte'],
    ['a pickle', Buffer.from('\x80\x04\x95\x10\0\0\0\0\0\0\0x'), 'announce a header of'],
    ...Object.entries(FOREIGN_FILES).map(([name, { bytes, kind }]): [string, Buffer, string] => [name, bytes, kind]),
    [
      'with a hole',
      safetensorsFile([['logits', { ...logitsOf('float32'), data: new Uint8Array(4) }]]),
      'needs 23668 bytes',
    ],
  ])('%s', async (name, bytes, says) => {
    writeFileSync(join(dataDir, 'wrong.safetensors'), bytes);
    const { status, body } = await service.post({ logits: refer('wrong.safetensors'), label });
    expect([status, body.code]).toEqual([422, 'invalid_file']);
    expect(body.detail).toContain(says);
    expect(body.detail).toContain('"wrong.safetensors"');
    expect(body.errors).toEqual([{ pointer: '/logits/file', detail: body.detail }]);
    expect(name).not.toBe('');
  });

  test('a tensor of a dtype that is not supported, and no other tensor beside it', async () => {
    const { dtype: _dtype, data, shape } = logitsOf('float32');
    const header = {
      __metadata__: null,
      scales: { dtype: 'F8_E8M0', shape: [3], data_offsets: [0, 3] },
      logits: { dtype: 'F32', shape, data_offsets: [3, 3 + data.byteLength] },
    };
    writeFileSync(
      join(dataDir, 'scaled.safetensors'),
      withHeader(`\n${JSON.stringify(header)}`, Buffer.alloc(3), data),
    );
    const type = MSGPACK;
    const plain = await service.post({ logits: refer('float32.safetensors'), label }, { type });
    const answer = await service.post({ logits: refer('scaled.safetensors'), label }, { type });
    expect([answer.status, answer.body.loss]).toEqual([200, plain.body.loss]);
    const refused = await service.post({ logits: refer('scaled.safetensors', 'scales'), label }, { type });
    expect([refused.status, refused.body.code]).toEqual([422, 'invalid_tensor']);
    expect(refused.body.detail).toContain('"scaled.safetensors": scales.dtype is "F8_E8M0", expected one of F16');
    expect(refused.body.errors![0]!.pointer).toBe('/logits/tensor');
  });

  test('a tensor that it has not', async () => {
    const { status, body } = await service.post({ logits: refer('float32.safetensors', 'logit'), label });
    expect([status, body.code]).toEqual([422, 'invalid_tensor']);
    expect(body.detail).toContain('did you mean "logits"?');
    const other = await service.post({ logits: refer('float32.safetensors', 'hidden_states'), label });
    expect(other.body.detail).toContain('it has "weight", "logits", "label", "input_mask"');
  });

  test('a tensor of the wrong dtype or shape', async () => {
    const refusals = [
      { logits: refer('float32.safetensors', 'label'), label },
      { logits: refer('float32.safetensors'), label: refer('float32.safetensors', 'weight') },
      {
        logits: refer('float32.safetensors'),
        label: refer('float32.safetensors', 'label'),
        input_mask: refer('float32.safetensors', 'weight'),
      },
    ];
    const codes = await Promise.all(refusals.map(async (refusal) => (await service.post(refusal)).body.code));
    expect(codes).toEqual(['invalid_tensor', 'invalid_label', 'shape_mismatch']);
  });

  test.each([
    [{ file: 'float32.safetensors' }, 'invalid_tensor', 'logits has no tensor: expected the name of a tensor'],
    [{ tensor: 'logits' }, 'invalid_tensor', 'logits has no file: expected the path'],
    [{ file: 7, tensor: 'logits' }, 'invalid_tensor', 'logits.file is 7'],
    [
      { file: 'float32.safetensors', tensor: 'logits', dtype: 'float32' },
      'unknown_field',
      'unknown key "dtype" in logits',
    ],
  ])('a reference that is not right: %j', async (logits, code, says) => {
    for (const type of [JSON_TYPE, MSGPACK]) {
      const { body } = await service.post({ logits, label }, { type });
      expect(body.code).toBe(code);
      expect(body.detail).toContain(says);
    }
  });
});

describe('a file that changes while its request is evaluated', () => {
  const path = join(dataDir, 'changing.safetensors');

  /** Posts logits with a label in a file, and calls a function before sending the last byte. */
  async function post(meanwhile: () => void): Promise<{ status: number | undefined; code: string | undefined }> {
    write('changing.safetensors', [['label', label]]);
    const body = encodeRequest({ label: refer('changing.safetensors', 'label'), logits: logitsOf('float32') }, MSGPACK);
    const headers = { 'content-type': MSGPACK, 'content-length': body.length };
    const upload = httpRequest(`${service.url}/v1/cross-entropy`, { method: 'POST', headers });
    const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
    upload.write(body.slice(0, -1));
    // The file is opened and read when the logits begin.
    await new Promise((resolve) => setTimeout(resolve, 200));
    meanwhile();
    upload.end(body.slice(-1));
    const [response] = await answered;
    const { code } = (await json(response)) as { code?: string };
    return { status: response.statusCode, code };
  }

  test.each<[string, () => void]>([
    ['written to', () => writeFileSync(path, Buffer.of(0), { flag: 'r+' })],
    ['longer', () => appendFileSync(path, 'more')],
    ['shorter', () => truncateSync(path, 1000)],
  ])('%s: 409', async (_how, change) => {
    expect(await post(change)).toEqual({ status: 409, code: 'file_changed' });
  });

  test('is read as it was when another takes its place', async () => {
    write('next.safetensors', [['label', label]]);
    expect(await post(() => renameSync(join(dataDir, 'next.safetensors'), path))).toEqual({ status: 200 });
  });
});

test('files are closed again, whatever came of them', async () => {
  const count = (): number =>
    Number(execFileSync('sh', ['-c', `ls -l /proc/${process.pid}/fd | grep -c ${dataDir} || true`]).toString());
  await Promise.all(
    [
      request('float32.safetensors'),
      request('wrong.safetensors'),
      { ...request('float32.safetensors'), label: refer('out.safetensors') },
    ].map(async (each) => service.post(each)),
  );
  expect(count()).toBe(0);
});
