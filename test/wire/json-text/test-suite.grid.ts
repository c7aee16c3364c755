/** The documents of JSONTestSuite, in every place of a body in which a value can stand. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Service } from '../../service.ts';

interface Case {
  base64: string;
  /** Number of repetitions of the bytes; default 1. */
  times?: number;
  end?: string;
}

const CASES = JSON.parse(
  readFileSync(new URL('../../fixtures/json-test-suite/cases.json', import.meta.url), 'utf8'),
) as Record<string, Case>;

const bytesOf = ({ base64, times = 1, end = '' }: Case): Buffer =>
  Buffer.concat([...Array.from({ length: times }, () => Buffer.from(base64, 'base64')), Buffer.from(end, 'base64')]);

/** Documents whose names begin with the kind, by name. */
const documents = (kind: 'y_' | 'n_' | 'i_'): [string, Buffer][] =>
  Object.entries(CASES)
    .filter(([name]) => name.startsWith(kind))
    .map(([name, given]) => [name, bytesOf(given)]);

/** The bare tokens that Python writes are accepted: docs/formats.md says so. */
const TOKENS = new Set(['n_number_NaN', 'n_number_infinity', 'n_number_minus_infinity']);

/** White space in bytes that makes a body so large that another parser reads it. */
const LARGE_BYTES = 70_000;

/** Places of a document in a body, with the text before and after it. */
const PLACES = {
  'a field that is not looked at': {
    path: '/v2/models/cross_entropy/infer',
    before:
      '"inputs":[{"name":"label","shape":[1],"datatype":"INT64","data":[2]},{"name":"logits","shape":[1,3],"datatype":"FP32","data":[1,2,3]}],"model_version":',
    after: '',
  },
  logits: { path: '/v1/cross-entropy', before: '"label":[0],"logits":', after: '' },
  'an option': {
    path: '/v1/cross-entropy',
    before: '"label":[2],"logits":[[1,2,3]],"options":{"softcap":',
    after: '}',
  },
} as const;

const service = Service.start();

interface Outcome {
  name: string;
  status: number;
  code: string;
}

async function post(name: string, path: string, body: Buffer): Promise<Outcome> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(service.url + path, { method: 'POST', headers, body: new Uint8Array(body) });
  const { code = 'none' } = (await response.json()) as { code?: string };
  return { name, status: response.status, code };
}

/** Posts every document of a kind in a place. */
async function outcomes(kind: 'y_' | 'n_' | 'i_', place: keyof typeof PLACES, padding: number): Promise<Outcome[]> {
  const { path, before, after } = PLACES[place];
  const outcomes: Outcome[] = [];
  for (const [name, document] of documents(kind)) {
    const parts = [Buffer.from(`{${' '.repeat(padding)}${before}`), document, Buffer.from(`${after}}`)];
    outcomes.push(await post(name, path, Buffer.concat(parts)));
  }
  return outcomes;
}

test('the suite is there', () => {
  expect((['y_', 'n_', 'i_'] as const).map((kind) => documents(kind).length)).toEqual([95, 188, 35]);
});

describe.each([
  ['small', 0],
  ['large', LARGE_BYTES],
])('in a %s body', (_size, padding) => {
  test('every document that is JSON is accepted where the field is not looked at', async () => {
    const refused = (await outcomes('y_', 'a field that is not looked at', padding)).filter(
      ({ status }) => status !== 200,
    );
    expect(refused).toEqual([]);
  });

  test.each(['logits', 'an option'] as const)('every document that is JSON is read as %s', async (place) => {
    const all = await outcomes('y_', place, padding);
    // The document is valid JSON, but may be an invalid option or tensor (422).
    expect(all.filter(({ status, code }) => (status !== 200 && status !== 422) || code === 'malformed_body')).toEqual(
      [],
    );
  });

  test.each(Object.keys(PLACES) as (keyof typeof PLACES)[])('no other document is accepted as %s', async (place) => {
    const all = await outcomes('n_', place, padding);
    // A 422 would mean that the document was accepted as JSON.
    const read = all.filter(({ status, name }) => status !== 400 && !TOKENS.has(name));
    // The document has too many axes for logits. This is reported before its end is read.
    const tooDeep = { name: 'n_structure_100000_opening_arrays', status: 422, code: 'invalid_tensor' };
    expect(read).toEqual(place === 'logits' ? [tooDeep] : []);
  });

  test.each(Object.keys(PLACES) as (keyof typeof PLACES)[])('what may be either never fails as %s', async (place) => {
    const all = await outcomes('i_', place, padding);
    expect(all.filter(({ status }) => ![200, 400, 422].includes(status))).toEqual([]);
  });
});

test('a document that is the whole body is refused, whatever it is', async () => {
  for (const path of ['/v1/cross-entropy', '/v2/models/cross_entropy/infer', '/v1/diagnose']) {
    const all: Outcome[] = [];
    for (const kind of ['y_', 'n_', 'i_'] as const) {
      for (const [name, document] of documents(kind)) all.push(await post(name, path, document));
    }
    expect(all.filter(({ status }) => status !== 400 && status !== 422)).toEqual([]);
  }
});
