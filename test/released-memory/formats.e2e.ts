/** Overwrites memory when it is released. No answer may change by a bit, because released memory must not be read. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CONTENT_ENCODINGS } from '../../src/wire/body/content-encoding.ts';
import { readExchanges } from '../corpus/exchanges.ts';
import type { Exchange } from '../corpus/exchanges.ts';
import { inOnePiece, inRandomPieces, isRecording, replay, send } from '../corpus/replay.ts';
import type { Arrival } from '../corpus/replay.ts';
import { ServiceProcess } from '../e2e/process.ts';
import { Client } from '../http-client.ts';
import type { HttpRequest } from '../http-client.ts';
import { compressed } from '../request-bodies.ts';
import { everyFormat, filesIn } from './large-batch.ts';
import type { Named } from './large-batch.ts';

const POISON = new URL('./poison.ts', import.meta.url).href;

const ENVIRONMENT = {
  LOSSMETER_KERNEL: 'strict',
  LOSSMETER_WORKERS: '1',
  // Decoders run one at a time, so that their input waits and is read late.
  UV_THREADPOOL_SIZE: '1',
};

/** Number of requests that are sent at the same time. */
const AT_A_TIME = 4;

const ENCODINGS = ['identity', ...CONTENT_ENCODINGS] as const;

type Encoding = (typeof ENCODINGS)[number];

const ARRIVALS: Record<string, () => Arrival> = {
  whole: () => ({ cut: inOnePiece }),
  'in pieces': () => ({ cut: inRandomPieces() }),
  'in chunks': () => ({ cut: inRandomPieces(), isChunked: true }),
};

const COMBINATIONS = ENCODINGS.flatMap((encoding) =>
  Object.keys(ARRIVALS).map((arrival) => [encoding, arrival] as const),
);

let folder: string;
let poisoned: ServiceProcess;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lossmeter-released-'));
});
afterEach(async () => {
  await poisoned.end();
  rmSync(folder, { recursive: true });
  expect(poisoned.output).not.toMatch(/poison: (?!\d+ buffers were released)/);
  expect(poisoned.output).toMatch(/poison: [1-9]\d* buffers were released/);
});

async function startPoisoned(environment: Record<string, string> = {}): Promise<void> {
  poisoned = await ServiceProcess.start({ ...ENVIRONMENT, ...environment, NODE_OPTIONS: `--import=${POISON}` });
}

function encodedAs(encoding: Encoding, { headers, body, ...head }: Named[1]): Named[1] {
  if (encoding === 'identity') return { ...head, headers, body };
  return { ...head, ...compressed({ headers, body, described: undefined }, encoding) };
}

const DECODERS: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  ...{ gzip: gunzipSync, deflate: inflateSync, zstd: zstdDecompressSync },
};

/** A recorded request with another content encoding. */
function recodedAs(encoding: Encoding, { request, kept }: Exchange): Exchange {
  const { 'content-encoding': was = 'identity', ...headers } = request.headers;
  const body = request.body ?? new Uint8Array();
  return { request: encodedAs(encoding, { ...request, headers, body: DECODERS[was]?.(body) ?? body }), kept };
}

describe('the recorded corpus', () => {
  beforeEach(() => startPoisoned());

  test('as it was recorded', async () => {
    expect(await replay(poisoned.url, readExchanges(), { cut: inRandomPieces() })).toEqual([]);
  });

  test('what was answered, in every content encoding and arrival', async () => {
    const answered = readExchanges().filter((one) => one.kept.status < 400 && !isRecording(one));
    for (const [place, [encoding, arrival]] of COMBINATIONS.entries()) {
      // Each combination gets half of the exchanges, because random batches of one format are alike.
      const recoded = answered
        .filter((_, k) => Math.floor(k / 2) % 2 === place % 2)
        .map((one) => recodedAs(encoding, one));
      expect(await replay(poisoned.url, recoded, ARRIVALS[arrival]!()), `${encoding} ${arrival}`).toEqual([]);
    }
  });
});

describe('large bodies', () => {
  let plain: ServiceProcess;
  beforeEach(async () => {
    const environment = { ...ENVIRONMENT, LOSSMETER_DATA_DIR: folder };
    plain = await ServiceProcess.start(environment);
    await startPoisoned(environment);
  });
  afterEach(() => plain.end());

  /** @returns a line for each answer that the release of memory changed */
  async function changed(requests: readonly Named[], combinations = COMBINATIONS): Promise<string[]> {
    const differing: string[] = [];
    const cases = requests
      .flatMap((named) => combinations.map((combination) => [named, combination] as const))
      .values();
    const expected = new Map<string, string>();
    for (const [name, request] of requests) expected.set(name, await answerTo(plain, request, ARRIVALS['whole']!()));
    expect([...expected.values()].filter((answer) => !answer.startsWith('200 '))).toEqual([]);
    const sendSome = async (): Promise<void> => {
      for (const [[name, request], [encoding, arrival]] of cases) {
        const answer = await answerTo(poisoned, encodedAs(encoding, request), ARRIVALS[arrival]!());
        if (answer !== expected.get(name)) differing.push(`${name}, ${encoding} ${arrival}: ${answer.slice(0, 300)}`);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, sendSome));
    return differing;
  }

  async function answerTo(service: ServiceProcess, request: HttpRequest, arrival: Arrival): Promise<string> {
    const { status, body } = await send(service.url, request, arrival);
    return `${status} ${body.toString('latin1')}`;
  }

  test('in every format, content encoding and arrival', async () => {
    expect(await changed(everyFormat())).toEqual([]);
  });

  test('that name files', async () => {
    // These bodies are so short that they always arrive whole.
    const whole = COMBINATIONS.filter(([, arrival]) => arrival === 'whole');
    expect(await changed(filesIn(folder), whole)).toEqual([]);
  });

  test('that are refused, before another one on the same connection', async () => {
    using client = new Client(Number(new URL(poisoned.url).port));
    for (const [name, request] of everyFormat()) {
      const headers = { ...request.headers, 'content-encoding': 'br' };
      expect((await client.send({ ...request, headers })).status, name).toBe(415);
      const { status, body } = await client.send(request);
      expect(
        `${status} ${body.toString('latin1')}` === (await answerTo(plain, request, ARRIVALS['whole']!())),
        name,
      ).toBe(true);
    }
  });
});
