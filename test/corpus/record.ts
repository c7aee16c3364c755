/** Records the corpus again. Run it only after an intended change of the answers of the service. */
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { readCorpus, requestOf } from '../fuzz/corpus.ts';
import { mutantsOf } from '../fuzz/mutants.ts';
import { Client } from '../http-client.ts';
import type { HttpRequest } from '../http-client.ts';
import { COMPRESSIONS, WRITERS, compressed } from '../request-bodies.ts';
import type { Compression, Encoded } from '../request-bodies.ts';
import { batch } from './batches.ts';
import { keptOf, startService, writeExchanges } from './exchanges.ts';
import type { Exchange } from './exchanges.ts';

const EXCHANGES = 2000;
const BATCHES = 800;
const SEED = 17;

/** Greatest number of mutants with the same code, and with the same message apart from its values. */
const MOST_OF_A_CODE = 300;
const MOST_OF_A_SENTENCE = 8;

const ACCEPTED = ['application/json', 'application/vnd.msgpack', 'application/vnd.safetensors'];
const ENCODINGS = [undefined, ...(Object.keys(COMPRESSIONS) as Compression[])];

const app = await startService();
await app.listen({ host: '127.0.0.1', port: 0 });
const client = new Client((app.server.address() as AddressInfo).port);
const exchanges: Exchange[] = [];

function packed(request: HttpRequest & Pick<Encoded, 'body'>, encoding: Compression | undefined): HttpRequest {
  if (encoding === undefined) return request;
  const { headers, body } = compressed({ ...request, described: undefined }, encoding);
  return { ...request, headers, body };
}

async function record(request: HttpRequest, isWanted: (code: string, detail: string) => boolean): Promise<void> {
  const answer = await client.send(request);
  const kept = keptOf(answer, request);
  const isProblem = 'code' in kept;
  // In the Open Inference Protocol the field is `error`.
  const { detail, error } = (isProblem ? JSON.parse(answer.body.toString()) : {}) as {
    detail?: string;
    error?: string;
  };
  if (isWanted(isProblem ? kept.code : String(kept.status), detail ?? error ?? '')) exchanges.push({ request, kept });
}

const always = (): boolean => true;
const seeds = await readCorpus(client);
for (const [place, seed] of seeds.entries()) {
  for (const writer of seed.writers.keys()) {
    const accept = ACCEPTED[(place + writer) % ACCEPTED.length]!;
    const { body = new Uint8Array(), ...head } = requestOf(seed, writer, { accept });
    await record({ ...head, body }, always);
    await record(packed({ ...head, body }, ENCODINGS[1 + (writer % 3)]), always);
  }
}

const writers = Object.values(WRITERS);
for (const [place, fields] of fc.sample(batch, { seed: SEED, numRuns: BATCHES }).entries()) {
  const { headers, body } = writers[place % writers.length]!(fields);
  const accept = ACCEPTED[Math.floor(place / writers.length) % ACCEPTED.length]!;
  const request = { method: 'POST', path: '/v1/cross-entropy', headers: { ...headers, accept }, body };
  await record(packed(request, ENCODINGS[place % 7]), always);
}

const codes = new Map<string, number>();
const sentences = new Map<string, number>();
const isNew = (code: string, detail: string): boolean => {
  const sentence = `${code} ${detail.replaceAll(/"[^"]*"|'[^']*'|[\d.e+-]+/g, '').slice(0, 60)}`;
  const [ofCode, ofSentence] = [codes.get(code) ?? 0, sentences.get(sentence) ?? 0];
  if (ofCode >= MOST_OF_A_CODE || (detail !== '' && ofSentence >= MOST_OF_A_SENTENCE)) return false;
  codes.set(code, ofCode + 1);
  sentences.set(sentence, ofSentence + 1);
  return true;
};
for (const request of fc.sample(mutantsOf(seeds), { seed: SEED, numRuns: 40_000 })) {
  if (exchanges.length === EXCHANGES) break;
  await record(request, isNew);
}

writeExchanges(exchanges);
const counts = Map.groupBy(exchanges, ({ kept }) => ('code' in kept ? kept.code : String(kept.status)));
for (const [kind, { length }] of [...counts].toSorted(([, a], [, b]) => b.length - a.length)) console.log(length, kind);
client[Symbol.dispose]();
await app.close();
