/** The values of msgpack-test-suite in each of their encodings, at every place of a body where a value can occur. */
import { readFileSync } from 'node:fs';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { MSGPACK, Service } from '../../service.ts';

interface Case {
  nil?: null;
  bool?: boolean;
  number?: number;
  /** Digits of an integer that a JSON number cannot represent exactly. */
  bignum?: string;
  string?: string;
  binary?: string;
  array?: unknown[];
  map?: object;
  timestamp?: [number, number];
  ext?: [number, string];
  /** The encodings, in hexadecimal. */
  msgpack: string[];
}

const GROUPS = JSON.parse(
  readFileSync(new URL('../../fixtures/msgpack-test-suite/msgpack-test-suite.json', import.meta.url), 'utf8'),
) as Record<string, Case[]>;
const CASES = Object.values(GROUPS).flat();
const packr = new Packr({ useRecords: false, variableMapSize: true });

const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll('-', ''), 'hex');

/** Placeholder for the value in a body. */
const HERE = '<here>';

/** A MessagePack body in which an encoding replaces HERE. */
function bodyWith(value: unknown, encoding: Buffer): Uint8Array<ArrayBuffer> {
  const packed = packr.pack(value);
  const here = packr.pack(HERE);
  const at = packed.indexOf(here);
  expect(at).toBeGreaterThan(0);
  return new Uint8Array(Buffer.concat([packed.subarray(0, at), encoding, packed.subarray(at + here.byteLength)]));
}

const LOGITS = [[1, 2, 3]];

/** Bodies by the place of the value. */
const PLACES: Readonly<Record<string, { path: string; body: object }>> = {
  logits: { path: '/v1/diagnose', body: { logits: HERE } },
  'an entry of logits': { path: '/v1/diagnose', body: { logits: [HERE, 1] } },
  'an entry of labels': { path: '/v1/cross-entropy', body: { label: [HERE], logits: LOGITS } },
  'the data of a tensor': {
    path: '/v1/cross-entropy',
    body: { input_mask: { dtype: 'uint8', shape: [1], data: HERE }, label: [2], logits: LOGITS },
  },
  'an option': { path: '/v1/cross-entropy', body: { options: { softcap: HERE }, label: [2], logits: LOGITS } },
  'all options': { path: '/v1/cross-entropy', body: { options: HERE, label: [2], logits: LOGITS } },
  'an unknown field': { path: '/v1/cross-entropy', body: { label: [2], logits: LOGITS, unknown: HERE } },
};

const service = Service.start();

async function send(method: string, path: string, body: Uint8Array<ArrayBuffer>): Promise<[number, object]> {
  const headers = { 'content-type': MSGPACK };
  const response = await fetch(service.url + path, { method, headers, body });
  const { instance: _instance, ...answer } = (await response.json()) as Record<string, unknown>;
  return [response.status, answer];
}

/** The value of a case, as its group names it. */
const nameOf = ({ msgpack: _msgpack, ...value }: Case): string => JSON.stringify(value);

test('the suite is there', () => {
  expect(CASES).toHaveLength(85);
  expect(CASES.flatMap(({ msgpack }) => msgpack).length).toBeGreaterThan(200);
});

describe.each(Object.entries(PLACES))('as %s', (_place, { path, body }) => {
  test('every encoding of a value has the same answer, and none fails', async () => {
    for (const given of CASES) {
      const answers = await Promise.all(
        given.msgpack.map((encoding) => send('POST', path, bodyWith(body, fromHex(encoding)))),
      );
      for (const [status] of answers) expect([200, 400, 422], nameOf(given)).toContain(status);
      // The message names the byte that an extension begins with.
      const detail =
        given.ext === undefined && given.timestamp === undefined ? {} : { detail: expect.any(String) as string };
      for (const [status, answer] of answers) {
        expect([status, answer], nameOf(given)).toEqual([answers[0]![0], { ...answers[0]![1], ...detail }]);
      }
    }
  });
});

/** Labels of runs are read back: numbers, texts and booleans. */
describe('as a label of a run', () => {
  const labelled = (value: Case): unknown => value.number ?? value.string ?? value.bool;

  test('a number, a text and a truth are read from each of their encodings', async () => {
    const run = '/v1/runs/labels';
    const known = CASES.filter((given) => labelled(given) !== undefined && given.bignum === undefined);
    expect(known.length).toBeGreaterThan(25);
    for (const given of known) {
      for (const encoding of given.msgpack) {
        const [status, answer] = await send('PUT', run, bodyWith({ labels: { it: HERE } }, fromHex(encoding)));
        expect([status, answer], `${nameOf(given)} as ${encoding}`).toMatchObject([
          expect.any(Number) as number,
          { labels: { it: labelled(given) } },
        ]);
      }
    }
  });

  test('nothing else is, and none fails', async () => {
    for (const given of CASES.filter((given) => labelled(given) === undefined)) {
      for (const encoding of given.msgpack) {
        const [status] = await send('PUT', '/v1/runs/others', bodyWith({ labels: { it: HERE } }, fromHex(encoding)));
        expect([400, 422], `${nameOf(given)} as ${encoding}`).toContain(status);
      }
    }
  });
});

test('an array of numbers is the same logits in each of its encodings', async () => {
  const arrays = CASES.filter(({ array }) => array !== undefined && array.length > 0 && array.every(Number.isFinite));
  expect(arrays).toHaveLength(3);
  for (const { array, msgpack } of arrays) {
    for (const encoding of msgpack) {
      const answer = await send('POST', '/v1/diagnose', bodyWith({ logits: HERE }, fromHex(encoding)));
      expect(answer).toMatchObject([
        200,
        { shape: [array!.length], values: { max: Math.max(...(array as number[])) } },
      ]);
    }
  }
});

test('a body that ends within an encoding is refused', async () => {
  for (const { msgpack } of CASES) {
    for (const encoding of msgpack.map(fromHex)) {
      const whole = Buffer.from(bodyWith({ label: [2], logits: HERE }, encoding));
      for (let missing = 1; missing <= Math.min(encoding.byteLength, 3); missing++) {
        const [status] = await send('POST', '/v1/cross-entropy', new Uint8Array(whole.subarray(0, -missing)));
        expect([400, 422]).toContain(status);
      }
    }
  }
});
