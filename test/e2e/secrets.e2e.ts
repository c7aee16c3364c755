import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeConfig } from '../../src/environment.ts';
import { newFolder, writeKeyOfEachScope } from '../keys.ts';
import { NoStartError, ROOT, ServiceProcess } from './process.ts';

const CANARY = 'cAnArY';

/** Settings that hold a secret, each with a recognisable value. */
const SECRETS = {
  LOSSMETER_WEBHOOK_URL: `user:${CANARY}%40hook@`,
  LOSSMETER_WEBHOOK_SECRET: `${CANARY}-signing-secret`,
  MLFLOW_TRACKING_URI: `user:${CANARY}%2Ftrack@`,
  MLFLOW_TRACKING_TOKEN: `${CANARY}-token`,
} as const;

/** Settings whose names suggest a secret but that hold none. */
const NO_SECRETS = ['LOSSMETER_API_KEYS_FILE', 'LOSSMETER_MAX_RUNS_PER_KEY'];

const folder = newFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const apiKeysFile = join(folder, 'keys.json');
const keys = writeKeyOfEachScope(apiKeysFile);

/** Credentials of the URLs, as encoded in the Authorization header. */
const BASIC = ['hook', '/track'].map((end) =>
  Buffer.from(`user:${CANARY}${end === 'hook' ? '@hook' : end}`).toString('base64'),
);

/** Texts that must not appear. */
const HIDDEN = [CANARY, ...BASIC, ...Object.values(keys)];

function expectNone(where: string, seen: string): void {
  for (const secret of HIDDEN) {
    expect(seen.includes(secret), `${where} has ${secret}: ${seen.slice(0, 4000)}`).toBe(false);
  }
}

/** Requests that the other services received. */
const asked: { url: string; authorization: string | undefined }[] = [];
/** A tracking server and webhook receiver that echoes its requests. */
const echo = createServer(async (request, response) => {
  const { url = '', headers } = request;
  asked.push({ url, authorization: headers.authorization });
  const message = `${JSON.stringify(headers)} ${encodeURIComponent(headers.authorization ?? '')} ${await text(request)}`;
  // Answers 400 (final) for batches and 500 (retried) for `get-by-name`, so that both kinds of refusal are logged.
  response.writeHead(url.includes('get-by-name') ? 500 : 400).end(JSON.stringify({ message, padding: message }));
});

let port: number;
beforeAll(async () => {
  await once(echo.listen(0, '127.0.0.1'), 'listening');
  ({ port } = echo.address() as AddressInfo);
});
afterAll(() => echo.close());

test('every setting that sounds like a secret is one of those that are looked for', () => {
  const sounding = describeConfig()
    .map(({ name }) => name)
    .filter((name) => /SECRET|TOKEN|PASSWORD|CREDENTIAL|KEY|URL|URI|AUTH/.test(name));
  expect(sounding.toSorted()).toEqual([...Object.keys(SECRETS), ...NO_SECRETS].toSorted());
});

const environment = (others: Record<string, string> = {}): Record<string, string> => ({
  LOSSMETER_API_KEYS_FILE: apiKeysFile,
  LOSSMETER_LOG_LEVEL: 'trace',
  LOSSMETER_WEBHOOK_URL: `http://${SECRETS.LOSSMETER_WEBHOOK_URL}127.0.0.1:${port}/hook`,
  LOSSMETER_WEBHOOK_SECRET: SECRETS.LOSSMETER_WEBHOOK_SECRET,
  MLFLOW_TRACKING_URI: `http://${SECRETS.MLFLOW_TRACKING_URI}127.0.0.1:${port}/mlflow/`,
  MLFLOW_TRACKING_TOKEN: SECRETS.MLFLOW_TRACKING_TOKEN,
  ...others,
});

describe('a service with secrets', () => {
  const JSON_TYPE = 'application/json';

  /** Calls many operations, records a run that is sent to the other services, and waits until those got enough requests. */
  async function use(service: ServiceProcess, enough: () => boolean): Promise<string> {
    let answers = '';
    const ask = async (
      path: string,
      init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
    ): Promise<void> => {
      const headers = { authorization: `Bearer ${keys.admin}`, 'content-type': JSON_TYPE, ...init.headers };
      const response = await fetch(service.url + path, { ...init, headers });
      answers += `${JSON.stringify([...response.headers])} ${await response.text()}\n`;
    };
    const pair = { method: 'PUT', body: '{"numerator": "NaN", "denominator": 1}' };
    await ask('/v1/runs/told/steps/1/ranks/0', pair);
    const paths = ['/', '/v1/info', '/v1/runs', '/v1/runs/told', '/v1/runs/told/steps', '/metrics', '/openapi.json'];
    for (const path of [...paths, '/v2', '/v2/models/cross_entropy/config', '/readyz', '/nowhere', '/%zz']) {
      await ask(path);
    }
    await ask('/v1/info', { headers: { authorization: `Bearer ${keys.read}`, 'x-api-key': keys.evaluate } });
    await ask('/v1/cross-entropy', { method: 'POST', body: `{"logits": 1, "label": "${'x'.repeat(9)}"}` });
    for (let k = 0; k < 1000 && !enough(); k++) await sleep(20);
    expect(enough()).toBe(true);
    return answers;
  }

  test('sends them where they belong, and shows them to nobody else', async () => {
    asked.length = 0;
    const service = await ServiceProcess.start(environment());
    const warned = (): boolean =>
      service.output.includes('MLflow does not accept metrics') && asked.some(({ url }) => url === '/hook');
    const answers = await use(service, warned).finally(() => service.end());
    expectNone('the answers', answers);
    expectNone('the log', service.output);
    const of = (path: string): Set<string | undefined> =>
      new Set(asked.filter(({ url }) => url.startsWith(path)).map(({ authorization }) => authorization));
    expect(of('/hook')).toEqual(new Set([`Basic ${BASIC[0]}`]));
    expect(of('/mlflow/api/2.0/mlflow/experiments/get-by-name')).toEqual(new Set([`Basic ${BASIC[1]}`]));
    expect(service.output).toContain('[redacted]');
  });

  test('shows no token that the tracking server quotes, and none of one that does not answer', async () => {
    for (const target of [`http://127.0.0.1:${port}/x`, `http://user:${CANARY}@127.0.0.1:9`]) {
      asked.length = 0;
      const service = await ServiceProcess.start(
        environment({ MLFLOW_TRACKING_URI: target, MLFLOW_TRACKING_TOKEN: ` ${SECRETS.MLFLOW_TRACKING_TOKEN}\n` }),
      );
      const warned = (): boolean => service.output.includes('MLflow does not accept metrics');
      const answers = await use(service, warned).finally(() => service.end());
      expectNone('the answers', answers);
      expectNone('the log', service.output);
      if (target.endsWith('/x')) {
        const call = asked.find(({ url }) => url.startsWith('/x'));
        expect(call!.authorization).toBe(`Bearer ${SECRETS.MLFLOW_TRACKING_TOKEN}`);
      }
    }
  });
});

test.each<[name: string, environment: Record<string, string>]>([
  ['LOSSMETER_WEBHOOK_SECRET', { LOSSMETER_WEBHOOK_SECRET: CANARY }],
  ['LOSSMETER_WEBHOOK_URL', { LOSSMETER_WEBHOOK_URL: `ftp://user:${CANARY}@example.org` }],
  ['LOSSMETER_WEBHOOK_URL', { LOSSMETER_WEBHOOK_URL: `http://user:${CANARY}@a b` }],
  ['MLFLOW_TRACKING_URI', { MLFLOW_TRACKING_URI: `user:${CANARY}@example.org` }],
  ['MLFLOW_TRACKING_URI', { MLFLOW_TRACKING_URI: `http://user:${CANARY}@:::` }],
  ['MLFLOW_TRACKING_TOKEN', { MLFLOW_TRACKING_TOKEN: `${CANARY}\n${CANARY}` }],
  ['MLFLOW_TRACKING_TOKEN', { MLFLOW_TRACKING_TOKEN: `${CANARY}é` }],
])('a wrong %s keeps the service from starting, and is not shown', async (name, wrong) => {
  const failure: unknown = await ServiceProcess.start(environment(wrong)).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(NoStartError);
  const { output } = failure as NoStartError;
  expect(output).toContain(name);
  expectNone('the output', output);
});

test('the command line shows none', () => {
  for (const args of [['--help'], ['health'], ['keys', 'list', '--file', apiKeysFile], ['evaluate', 'none']]) {
    const env = { ...process.env, ...environment({ LOSSMETER_PORT: '9' }) };
    const { stdout, stderr } = spawnSync(process.execPath, ['src/cli/bin.js', ...args], {
      ...{ cwd: ROOT, env, encoding: 'utf8' },
    });
    expect(stdout + stderr).not.toBe('');
    expectNone(args.join(' '), stdout + stderr);
  }
});
