import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { testFolder } from '../keys.ts';
import { ROOT, ServiceProcess } from './process.ts';

let service: ServiceProcess | undefined;
afterEach(async () => {
  await service?.end('SIGKILL');
  service = undefined;
});

function lossmeter(args: string[], env: Record<string, string> = {}) {
  const options = { cwd: ROOT, encoding: 'utf8', env: { ...process.env, ...env }, timeout: 20_000 } as const;
  return spawnSync(process.execPath, ['src/cli/bin.js', ...args], options);
}

const newFile = (): string => join(testFolder(), 'keys.json');

function create(file: string, name: string, ...others: string[]): string {
  const { status, stdout, stderr } = lossmeter(['keys', 'create', '--name', name, '--file', file, ...others]);
  expect(status, stderr).toBe(0);
  return stdout.trim();
}

describe('lossmeter keys', () => {
  test('create prints a key once, and writes its hash to a file that only its owner may read', () => {
    const file = newFile();
    const { stdout, stderr } = lossmeter(['keys', 'create', '--name', 'a', '--scope', 'evaluate,read'], {
      LOSSMETER_API_KEYS_FILE: file,
    });
    expect(stdout).toMatch(/^lm_[\w-]{43}\n$/);
    expect(stderr).toContain('has its hash only');
    expect(stderr + readFileSync(file, 'utf8')).not.toContain(stdout.trim());
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
  });

  test('list shows what there is, revoke takes it away', () => {
    const file = newFile();
    create(file, 'trainer', '--scope', 'evaluate', '--scope', 'record');
    create(file, 'grafana', '--scope', 'read', '--expires', '2999-12-31');
    const list = (): string[] => lossmeter(['keys', 'list', '--file', file]).stdout.trim().split('\n');
    expect(list()).toEqual([
      expect.stringMatching(/^name +scopes +created +expires$/) as string,
      expect.stringMatching(/^trainer +evaluate,record +\S+ +never$/) as string,
      expect.stringMatching(/^grafana +read +\S+ +2999-12-31T00:00:00.000Z$/) as string,
    ]);
    expect(lossmeter(['keys', 'revoke', 'trainer', '--file', file]).status).toBe(0);
    expect(list()).toHaveLength(2);
    expect(lossmeter(['keys', 'revoke', 'trainer', '--file', file])).toMatchObject({
      status: 1,
      stderr: `${file} has no key trainer\n`,
    });
  });

  test.each<[string[], string]>([
    [[], 'no command is named'],
    [['destroy'], 'unknown command keys destroy'],
    [['create', '--scope', 'read'], '--name is undefined'],
    [['create', '--name', 'a b', '--scope', 'read'], '--name is "a b"'],
    [['create', '--name', 'a'], '--scope is undefined, expected one or more of evaluate, record, read, admin'],
    [['create', '--name', 'a', '--scope', 'reed'], '--scope is "reed"'],
    [['create', '--name', 'a', '--scope', 'read', 'record'], 'unexpected record'],
    [['create', '--name', 'a', '--scope', 'read', '--expires', '2030-02-30'], '--expires is "2030-02-30"'],
    [['create', '--name', 'a', '--scope', 'read', '--expires', '2020-01-01'], 'which is past'],
    [['create', '--name', 'a', '--scope', 'read'], 'neither --file nor LOSSMETER_API_KEYS_FILE names a file'],
    [['revoke'], 'takes the name of one key'],
    [['--bananas'], '--bananas'],
  ])('%j is refused with the usage', (args, says) => {
    const { status, stdout, stderr } = lossmeter(['keys', ...args]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(says);
    expect(stderr).toContain('usage: lossmeter keys create');
  });

  test('a name that is taken, a file that is broken and one that is not there change nothing', () => {
    const file = newFile();
    create(file, 'a', '--scope', 'read');
    const text = readFileSync(file, 'utf8');
    const again = lossmeter(['keys', 'create', '--name', 'a', '--scope', 'admin', '--file', file]);
    expect([again.status, again.stdout]).toEqual([1, '']);
    expect(again.stderr).toContain('has a key a');
    expect(readFileSync(file, 'utf8')).toBe(text);
    writeFileSync(file, 'x');
    expect(lossmeter(['keys', 'create', '--name', 'b', '--scope', 'read', '--file', file]).status).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe('x');
    const missing = newFile();
    expect(lossmeter(['keys', 'revoke', 'a', '--file', missing]).status).toBe(1);
    expect(existsSync(missing)).toBe(false);
  });

  test('--help explains', () => {
    expect(lossmeter(['keys', '--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('--expires') });
  });
});

test('keys are made and revoked while the service runs', async () => {
  const file = newFile();
  const first = create(file, 'first', '--scope', 'read');
  service = await ServiceProcess.start({ LOSSMETER_API_KEYS_FILE: file });
  const statusWith = async (key: string): Promise<number> => {
    const response = await fetch(`${service!.url}/v1/info`, { headers: { authorization: `Bearer ${key}` } });
    await response.text();
    return response.status;
  };
  expect(await statusWith(first)).toBe(200);
  const second = create(file, 'second', '--scope', 'read');
  await vi.waitFor(async () => expect(await statusWith(second)).toBe(200), 10_000);
  expect(lossmeter(['keys', 'revoke', 'first', '--file', file]).status).toBe(0);
  await vi.waitFor(async () => expect(await statusWith(first)).toBe(401), 10_000);
  expect(await statusWith(second)).toBe(200);
  expect(await service.end()).toBe(0);
  expect(service.output).toContain('was read again, keys: second');
  for (const key of [first, second]) expect(service.output).not.toContain(key);
});

describe('a service does not start', () => {
  test.each(['0.0.0.0', '::', '192.0.2.1', 'example.org', '::ffff:192.0.2.1'])(
    'on %s, which others can reach, without keys',
    (host) => {
      const { status, stdout, stderr } = lossmeter(['serve'], { LOSSMETER_HOST: host });
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toContain(`LOSSMETER_HOST is ${host}, which others can reach, and there are no keys`);
      expect(stderr).toContain('lossmeter keys create');
      expect(stderr).toContain('LOSSMETER_ALLOW_ANONYMOUS=true');
    },
  );

  test.each([
    [undefined, 'ENOENT'],
    ['', 'is not JSON'],
    ['{"keys": [{}]}', '/keys/0 must have name'],
  ])('with a file of keys that cannot be used: %j', (text, says) => {
    const file = newFile();
    if (text !== undefined) writeFileSync(file, text);
    const { status, stdout, stderr } = lossmeter(['serve'], { LOSSMETER_API_KEYS_FILE: file });
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain('LOSSMETER_API_KEYS_FILE: ');
    expect(stderr).toContain(says);
  });
});

describe('a service starts', () => {
  test('for others, when that is said, with a warning', async () => {
    service = await ServiceProcess.start({ LOSSMETER_HOST: '0.0.0.0', LOSSMETER_ALLOW_ANONYMOUS: 'true' });
    expect(service.output).toMatch(/"level":40.*no API keys: everyone who can reach 0\.0\.0\.0 can use this service/);
    expect((await fetch(`http://127.0.0.1:${new URL(service.url).port}/v1/info`)).status).toBe(200);
  });

  test('for others, with keys', async () => {
    const file = newFile();
    const key = create(file, 'a', '--scope', 'admin');
    service = await ServiceProcess.start({ LOSSMETER_HOST: '0.0.0.0', LOSSMETER_API_KEYS_FILE: file });
    const url = `http://127.0.0.1:${new URL(service.url).port}/v1/info`;
    expect((await fetch(url)).status).toBe(401);
    expect((await fetch(url, { headers: { 'x-api-key': key } })).status).toBe(200);
    expect(service.output).not.toContain('"level":40');
  });

  const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family }) => family === 'IPv6'),
  );
  test.each(['127.0.0.1', '127.1.2.3', 'localhost', ...(hasIPv6 ? ['::1'] : [])])(
    'on %s, which nobody else reaches',
    async (host) => {
      service = await ServiceProcess.start({ LOSSMETER_HOST: host });
      expect(service.output).not.toContain('"level":40');
    },
  );
});
