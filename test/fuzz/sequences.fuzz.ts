import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WatchedService } from '../complexity/watched-service.ts';
import { Client } from '../http-client.ts';
import type { HttpAnswer } from '../http-client.ts';
import { SCOPES } from '../../src/keys/scopes.ts';
import { faultOf } from './answers.ts';
import { RUN, SEQUENCES, WITHIN_MS } from './budget.ts';
import type { Operation } from '../openapi-document.ts';
import { readCorpus } from './corpus.ts';
import type { Seed } from './corpus.ts';
import { saveRequest } from './reproduction.ts';
import { sequencesOf } from './sequences.ts';
import type { OperationRequest } from './sequences.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a file with a key for each scope. @returns the file, and the values of `Authorization` */
function createKeys(): { file: string; authorizations: string[] } {
  const file = join(folder, 'keys.json');
  const keys = SCOPES.map((scope) =>
    execFileSync(process.execPath, [PROGRAM, 'keys', 'create', '--name', scope, '--scope', scope, '--file', file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim(),
  );
  return { file, authorizations: [...keys.map((key) => `Bearer ${key}`), 'Bearer wrong', 'Basic eDp5', ''] };
}

const keys = createKeys();

describe.each([
  { which: 'without keys', environment: {}, authorizations: [''] },
  { which: 'with keys', environment: { LOSSMETER_API_KEYS_FILE: keys.file }, authorizations: keys.authorizations },
])('$which', ({ environment, authorizations }) => {
  let service: WatchedService;
  let client: Client;
  let corpus: Seed[];
  let tried = 0;

  beforeAll(async () => {
    service = await WatchedService.start({ environment });
    client = new Client(service.port);
    corpus = await readCorpus(client, { authorization: authorizations[0]! });
  });

  afterAll(async () => {
    client[Symbol.dispose]();
    await service[Symbol.asyncDispose]();
  });

  test(`${SEQUENCES} sequences of requests are answered as the document says`, { timeout: WITHIN_MS }, async () => {
    await fc.assert(
      fc.asyncProperty(sequencesOf({ authorizations, corpus }), async (sequence) => {
        tried++;
        for (const requested of sequence) expect(await findFault(requested)).toBeUndefined();
      }),
      { ...RUN, numRuns: SEQUENCES },
    );
    console.log(`${tried} sequences were tried`);
    expect(service.ended).toBeUndefined();
  });

  async function findFault({ operation, request }: OperationRequest): Promise<string | undefined> {
    // An event stream does not end: only its beginning is read.
    const answered = operation.path.endsWith('/events') ? client.follow(request, 10) : client.send(request);
    const fault = await answered.then(
      (answer) => faultOf(request, answer) ?? undeclared(operation, answer),
      (error: Error) => `${error.message}; the service ${service.ended ?? 'runs'}`,
    );
    if (fault === undefined) return undefined;
    return `${request.method} ${request.path}: ${fault}; ${saveRequest(request)} has the request`;
  }
});

function undeclared({ answers }: Operation, { status, mediaType, body }: HttpAnswer): string | undefined {
  const mediaTypes = answers[status];
  if (mediaTypes === undefined) return `${status} is not declared: ${body.toString('utf8', 0, 300)}`;
  if (mediaType !== undefined && !mediaTypes.includes(mediaType)) return `${mediaType} is not declared for ${status}`;
  return undefined;
}
