import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { nextPart, runDecoding } from '../../src/pipeline/run-decoding.ts';
import { runWaiting } from '../../src/waiting.ts';
import { ByteReader } from '../../src/wire/body/byte-reader.ts';
import { TURN, consume } from '../../src/wire/decoding.ts';
import type { Decoding } from '../../src/wire/decoding.ts';

const readerOf = (...chunks: string[]): ByteReader =>
  new ByteReader(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), 2 ** 20);

test('a decoding gets bytes, turns, work and JSON as it asks for them', async () => {
  const reader = readerOf('ab', 'cd');
  function* decode(): Decoding<unknown[]> {
    const runs: string[] = [];
    yield* consume(reader, 4, 'the text', (run) => runs.push(Buffer.from(run).toString()));
    yield TURN;
    const sum = yield {
      is: 'work',
      steps: (function* add() {
        yield;
        return 3;
      })(),
    };
    return [...runs, sum, yield { is: 'json', text: Buffer.from('7'), fields: [] }];
  }
  const step = await runWaiting(nextPart(decode(), reader, ({ text }) => Promise.resolve(JSON.parse(String(text)))));
  expect(step).toEqual({ done: true, value: ['ab', 'cd', 3, 7] });
});

test('it stops at each part, and goes on from there', async () => {
  const reader = readerOf('x');
  function* decode(): Decoding {
    yield { is: 'field', name: 'a', value: 1 };
    yield TURN;
    yield { is: 'field', name: 'b', value: 2 };
  }
  const decoding = decode();
  const names: unknown[] = [];
  for (;;) {
    const step = await runWaiting(nextPart(decoding, reader));
    if (step.done === true) break;
    names.push((step.value as { name: string }).name);
  }
  expect(names).toEqual(['a', 'b']);
});

test('what fails is thrown where the decoding asked for it', async () => {
  const failure = new Error('no JSON');
  function* decode(): Decoding<string> {
    try {
      yield { is: 'json', text: new Uint8Array(), fields: [] };
    } catch (error) {
      return `saw ${(error as Error).message}`;
    }
    return 'saw nothing';
  }
  const fail = (): never => {
    throw failure;
  };
  expect(await runWaiting(nextPart(decode(), readerOf(), fail))).toEqual({ done: true, value: 'saw no JSON' });
});

test('a body that breaks off fails the decoding', async () => {
  const reader = readerOf('ab');
  function* decode(): Decoding {
    yield* consume(reader, 3, 'the text', () => undefined);
  }
  await expect((async () => runWaiting(runDecoding(decode(), reader)))()).rejects.toMatchObject({
    code: 'truncated_body',
  });
});
