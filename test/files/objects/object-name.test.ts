import { expect, test } from 'vitest';
import { formatObjectName, isObjectName, parseObjectName } from '../../../src/files/objects/object-name.ts';

test.each([
  ['s3://bucket/key', true],
  ['s3://', true],
  ['s3:/bucket/key', false],
  ['S3://bucket/key', false],
  ['./s3://bucket/key', false],
  ['step.safetensors', false],
])('%j is the name of an object: %j', (name, is) => {
  expect(isObjectName(name)).toBe(is);
});

test.each([
  ['s3://bucket/a', 'bucket', 'a'],
  ['s3://bucket/a/../b//c', 'bucket', 'a/../b//c'],
  ['s3://bucket//a', 'bucket', '/a'],
  ['s3://bucket/a?b#c%2F', 'bucket', 'a?b#c%2F'],
  ['s3://bucket/...', 'bucket', '...'],
  ['s3://bucket/a/..', 'bucket', 'a/..'],
  ['s3://user@host:80/a', 'user@host:80', 'a'],
])('%j is read as it is', (name, bucket, key) => {
  const object = parseObjectName(name);
  expect(object).toEqual({ bucket, key });
  expect(formatObjectName(object as Exclude<typeof object, string>)).toBe(name);
});

test.each([
  ['s3://', 's3://" names no bucket'],
  ['s3:///a', 'names no bucket'],
  ['s3://bucket', 'names no object'],
  ['s3://bucket/', 'names no object'],
  ['s3://bucket/..', 'leads out of its bucket'],
  ['s3://bucket/../other/a', 'leads out of its bucket'],
  ['s3://bucket/a/../../other/a', 'leads out of its bucket'],
  ['s3://bucket/./../other/a', 'leads out of its bucket'],
  ['s3://bucket//../../other/a', 'leads out of its bucket'],
  ['s3://bucket/..\\other', 'leads out of its bucket'],
])('%j is refused', (name, says) => {
  expect(parseObjectName(name)).toContain(says);
});
