import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { VERSION } from '../../src/version.ts';
import { ROOT, ServiceProcess } from './process.ts';

function lossmeter(
  args: string[],
  { nodeArgs = [], env = {} }: { nodeArgs?: string[]; env?: Record<string, string> } = {},
) {
  const all = { ...process.env, LOSSMETER_STORE: ':memory:', ...env };
  const options = { cwd: ROOT, encoding: 'utf8', env: all, timeout: 20_000 } as const;
  return spawnSync(process.execPath, [...nodeArgs, 'src/cli/bin.js', ...args], options);
}

test('--version prints the version', () => {
  expect(lossmeter(['--version']).stdout.trim()).toBe(VERSION);
});

test('--help names every variable of the environment', () => {
  expect(lossmeter(['--help']).stdout).toContain('LOSSMETER_MAX_BODY_BYTES (17179869184)');
});

test.each([
  ...['', 'evaluate', 'compare', 'combine', 'worker', 'keys', 'runs', 'store', 'health'],
  ...['list', 'show', 'export', 'import', 'delete', 'prune'].map((name) => `runs ${name}`),
])('%s --help is at most 80 characters wide', (command) => {
  const { status, stdout } = lossmeter([...command.split(' ').filter(Boolean), '--help']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^(lossmeter .*\n\n)?usage: lossmeter/);
  // Each description of a variable is a separate line.
  const lines = stdout.split('environment:')[0]!.split('\n');
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
});

test.each([
  [[], 'no command is named'],
  [['sreve'], 'unknown command sreve, did you mean serve?'],
  [['evalute', 'a.safetensors'], 'unknown command evalute, did you mean evaluate?'],
  [['serve', '--bananas'], 'unknown option --bananas'],
  [['serve', '--hots', '0.0.0.0'], 'unknown option --hots, did you mean LOSSMETER_HOST?'],
  [['--hlp'], 'unknown option --hlp, did you mean --help?'],
  [['serve', 'now'], 'unexpected now: lossmeter serve takes no arguments'],
])('%j is refused with the usage, and the reason at the end', (args, reason) => {
  const { status, stderr } = lossmeter(args);
  expect(status).toBe(2);
  expect(stderr).toContain('usage: lossmeter serve');
  expect(stderr.split('\n\n').at(-1)).toBe(`${reason}\n`);
});

test('a Node.js that is too old is told so', () => {
  const pretend = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.20.2' })`;
  const { status, stderr } = lossmeter(['serve'], { nodeArgs: ['--import', pretend] });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^lossmeter needs Node\.js 24 or later.*\n.*\n$/);
});

test.each([
  [{ LOSSMETER_PORT: 'http' }, 'LOSSMETER_PORT must be an integer'],
  [{ LOSSMETER_WORKERS: '0' }, 'LOSSMETER_WORKERS must be at least 1'],
  [{ LOSSMETER_KERNEL: 'fast' }, 'LOSSMETER_KERNEL must be one of auto, relaxed, strict'],
  [{ LOSSMETER_LOG_LEVEL: 'loud' }, 'LOSSMETER_LOG_LEVEL must be one of fatal, error, warn'],
  [{ LOSSMETER_DOCS: 'on' }, 'LOSSMETER_DOCS must be one of open, keyed, off'],
  [{ LOSSMETER_METRICS: 'on' }, 'LOSSMETER_METRICS must be one of open, keyed, off'],
  [{ LOSSMETER_ALLOW_ANONYMOUS: 'yes' }, 'LOSSMETER_ALLOW_ANONYMOUS must be true or false'],
])('%j is refused with its bound', (env, says) => {
  const { status, stderr, stdout } = lossmeter(['serve'], { env });
  expect(status).toBe(2);
  expect(stderr).toContain(says);
  expect(stderr + stdout).not.toContain('    at ');
});

test('a data directory that is not there is a start that failed', () => {
  const { status, stderr } = lossmeter(['serve'], { env: { LOSSMETER_DATA_DIR: '/nowhere' } });
  expect([status, stderr.trim()]).toEqual([1, 'LOSSMETER_DATA_DIR is /nowhere, which is not a folder']);
});

test('a port on which another process listens is a start that failed, and names the variable', async () => {
  const service = await ServiceProcess.start();
  try {
    const { port } = new URL(service.url);
    const env = { LOSSMETER_PORT: port };
    const { status, stderr } = lossmeter(['serve'], { env });
    expect(status).toBe(1);
    expect(stderr).toContain(`LOSSMETER_PORT is ${port}, on which another process listens at 127.0.0.1`);
    expect(stderr).not.toContain('    at ');
  } finally {
    await service.end();
  }
});

test('an address that is none of this machine names the variable', () => {
  const env = { LOSSMETER_HOST: '192.0.2.1', LOSSMETER_ALLOW_ANONYMOUS: 'true' };
  const { status, stderr } = lossmeter(['serve'], { env });
  expect(status).toBe(1);
  expect(stderr).toContain('LOSSMETER_HOST is 192.0.2.1, which is not an address of this machine');
});

test('a variable that is not known is a warning, and LOSSMETER_KERNEL picks the variant', async () => {
  const service = await ServiceProcess.start({ LOSSMETER_WROKERS: '3', LOSSMETER_KERNEL: 'strict' });
  const info = await (await fetch(`${service.url}/v1/info`)).json();
  expect(info).toMatchObject({ kernel: 'strict' });
  expect(await service.end()).toBe(0);
  expect(service.output).toContain(
    'LOSSMETER_WROKERS is not a variable of lossmeter and is ignored, did you mean LOSSMETER_WORKERS?',
  );
});
