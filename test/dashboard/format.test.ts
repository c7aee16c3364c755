import { expect, test } from 'vitest';
import { parseAnswer } from '../../clients/typescript/src/json.ts';
import { mediaTypeOf } from '../../dashboard/src/files/media-type.ts';
import { formatLoss, plural } from '../../dashboard/src/format/numbers.ts';
import { formatAgo, formatSpan } from '../../dashboard/src/format/times.ts';
import { encodeRequest, MSGPACK } from '../service.ts';

test('an answer has numbers where JSON has none', () => {
  expect(parseAnswer('{"loss":"NaN","of":["Infinity","-Infinity",1],"run":"nan"}')).toEqual({
    loss: NaN,
    of: [Infinity, -Infinity, 1],
    run: 'nan',
  });
});

test.each([
  [2.34567, '2.3457'],
  [0, '0.0000'],
  [1e-5, '1.000e−5'],
  [-123_456, '−1.235e+5'],
  [NaN, 'NaN'],
  [-Infinity, '−Inf'],
  [undefined, '–'],
])('a loss of %d reads %s', (loss, text) => {
  expect(formatLoss(loss)).toBe(text);
});

test.each([
  [0.25, '0.3 s'],
  [9.94, '9.9 s'],
  [9.97, '10 s'],
  [59, '59 s'],
  [59.7, '1 min'],
  [3599.6, '1 h'],
  [61, '1 min 1 s'],
  [7200, '2 h'],
  [100_000, '1 d 3 h'],
  [-90, '−1 min 30 s'],
])('%d seconds read %s', (seconds, text) => {
  expect(formatSpan(seconds)).toBe(text);
});

test('how long ago', () => {
  const now = Date.UTC(2026, 0, 2);
  const ago = (seconds: number): string => formatAgo(new Date(now - seconds * 1000).toISOString(), now);
  expect([0, 30, 90, 7300, 200_000].map(ago)).toEqual(['just now', '30 s ago', '1 min ago', '2 h ago', '2 d ago']);
  expect([plural(1, 'step'), plural(1200, 'step')]).toEqual(['1 step', '1,200 steps']);
});

test('a file is known by how it begins', () => {
  const head = (bytes: string | Uint8Array): Uint8Array => Buffer.from(bytes as string).subarray(0, 16);
  const safetensors = Buffer.concat([Buffer.from([80, 1, 0, 0, 0, 0, 0, 0]), Buffer.from('{"logits":')]);
  expect(mediaTypeOf(head(safetensors))).toBe('application/vnd.safetensors');
  expect(mediaTypeOf(head(encodeRequest({ label: [0], logits: [[1]] }, MSGPACK) as Uint8Array))).toBe(MSGPACK);
  expect(mediaTypeOf(head(' {"logits": [[1]]}'))).toBe('application/json');
  expect(mediaTypeOf(head('PK\u0003\u0004'))).toBeUndefined();
  expect(mediaTypeOf(new Uint8Array())).toBeUndefined();
});
