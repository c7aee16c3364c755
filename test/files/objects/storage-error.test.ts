import { expect, test } from 'vitest';
import { LossmeterError } from '../../../src/errors.ts';
import { Interruption, explainStorageError } from '../../../src/files/objects/storage-error.ts';

const failure = (name: string, facts: object): Error => Object.assign(new Error(`secret of ${name}`), { name }, facts);
const answer = (name: string, httpStatusCode: number): Error => failure(name, { $metadata: { httpStatusCode } });

test.each<[Error, boolean, string, string]>([
  [answer('SlowDown', 503), false, 'storage_unavailable', 'it answers 503 SlowDown'],
  [answer('RequestTimeout', 400), false, 'storage_unavailable', 'it answers 400 RequestTimeout'],
  [answer('TooManyRequests', 429), true, 'storage_unavailable', 'it answers 429 TooManyRequests'],
  [answer('InternalError', 500), true, 'storage_unavailable', 'it answers 500 InternalError'],
  [new Interruption('it sends too slowly'), true, 'storage_unavailable', 'it sends too slowly'],
  [failure('TimeoutError', {}), false, 'storage_unavailable', 'it does not answer in time'],
  [failure('TimeoutError', { code: 'ECONNRESET' }), false, 'storage_unavailable', 'it breaks the connection'],
  [failure('Error', { code: 'ENOTFOUND' }), false, 'storage_unavailable', 'ENOTFOUND'],
  [failure('Error', { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }), false, 'storage_unavailable', 'ERR_TLS_CERT'],
  [failure('CredentialsProviderError', {}), false, 'storage_unavailable', 'no credentials'],
  [answer('PreconditionFailed', 412), true, 'file_changed', 'was overwritten while it was read'],
  [answer('InvalidRange', 416), true, 'file_changed', 'was overwritten while it was read'],
  [answer('NoSuchKey', 404), true, 'file_changed', 'was deleted while it was read'],
  [answer('NoSuchKey', 404), false, 'file_unreadable', 'there is no such object'],
  [answer('NoSuchBucket', 404), false, 'file_unreadable', 'there is no such bucket'],
  [answer('Forbidden', 403), false, 'file_unreadable', 'the object storage denies access to it'],
  [answer('InvalidObjectState', 403), false, 'file_unreadable', 'it is archived'],
  [answer('Surprise', 418), false, 'file_unreadable', '418 Surprise'],
])('%s, open: %s, is %s', (error, isOpen, code, says) => {
  const explained = explainStorageError('"s3://b/k"', error, isOpen) as LossmeterError;
  expect(explained).toBeInstanceOf(LossmeterError);
  expect([explained.code, explained.cause]).toEqual([code, error]);
  expect(explained.message).toContain('"s3://b/k"');
  expect(explained.message).toContain(says);
  expect(explained.message).not.toContain('secret');
});

test.each([
  new LossmeterError('file_changed', 'x'),
  new TypeError('a fault of the program'),
  failure('TypeError', { code: 'ERR_INVALID_ARG_TYPE' }),
  'text',
])('%s is returned unchanged', (error) => {
  expect(explainStorageError('x', error, false)).toBe(error);
});
