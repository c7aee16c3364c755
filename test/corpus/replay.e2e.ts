/** Checks that answers and errors equal the recorded ones, however a body arrives. */
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readExchanges, startService } from './exchanges.ts';
import { inOnePiece, inRandomPieces, inSingleBytes, replay } from './replay.ts';
import type { Arrival } from './replay.ts';

let app: Awaited<ReturnType<typeof startService>>;
beforeEach(async () => {
  app = await startService();
  await app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(() => app.close());

function differing(arrival: Arrival): Promise<string[]> {
  const { port } = app.server.address() as AddressInfo;
  return replay(`http://127.0.0.1:${port}`, readExchanges(), arrival);
}

test('whole', async () => {
  expect(await differing({ cut: inOnePiece })).toEqual([]);
});

test('in pieces of random length', async () => {
  expect(await differing({ cut: inRandomPieces() })).toEqual([]);
});

test('in chunks, without an announced length', async () => {
  expect(await differing({ cut: inRandomPieces(), isChunked: true })).toEqual([]);
});

test('byte by byte', { timeout: 120_000 }, async () => {
  expect(await differing({ cut: inSingleBytes })).toEqual([]);
});
