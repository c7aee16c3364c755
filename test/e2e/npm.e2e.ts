/** The service as npm and npx start it in a checkout: through a shell. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from 'vitest';
import { VERSION } from '../../src/version.ts';
import { ROOT } from './process.ts';

// Cache of npx for these tests, separate from the cache of the user.
const folder = mkdtempSync(join(tmpdir(), 'lossmeter-npm-'));
afterAll(() => rmSync(folder, { recursive: true }));

const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:LOSSMETER_|npm_)/.test(name))),
  // Puts the Node.js of the tests before other versions on the machine.
  PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
  LOSSMETER_PORT: '0',
  LOSSMETER_STORE: ':memory:',
  npm_config_cache: folder,
  npm_config_update_notifier: 'false',
};

let child: ChildProcess | undefined;
let pid: number | undefined;
afterEach(() => {
  child?.kill('SIGKILL');
  if (pid !== undefined && isRunning(pid)) process.kill(pid, 'SIGKILL');
});

/** True for a running process; false for a zombie. */
function isRunning(id: number): boolean {
  return (
    spawnSync('ps', ['-o', 'stat=', '-p', String(id)], { encoding: 'utf8' })
      .stdout.trim()
      .replace(/^Z.*/, '') !== ''
  );
}

/** Starts the service by a command, and sets `pid`. @returns the address that its log has */
async function start(command: string, ...args: string[]): Promise<{ url: string }> {
  let output = '';
  child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text: Buffer) => (output += text.toString()));
  for (;;) {
    const listening = /"pid":(\d+).*Server listening at (\S+?)"/.exec(output);
    if (listening !== null) {
      pid = Number(listening[1]);
      return { url: listening[2]! };
    }
    if (child.exitCode !== null) throw new Error(output);
    await sleep(20);
  }
}

test.each([
  ['npm start', ['npm', 'start']],
  ['npx lossmeter serve', ['npx', 'lossmeter', 'serve']],
])('SIGTERM to `%s` ends the service', { timeout: 180_000 }, async (_, [command, ...args]) => {
  const { url } = await start(command!, ...args);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  const exited = once(child!, 'exit');
  child!.kill('SIGTERM');
  await exited;
  for (let k = 0; k < 500 && isRunning(pid!); k++) await sleep(20);
  expect(isRunning(pid!)).toBe(false);
});

test('npx lossmeter runs from the sources', { timeout: 180_000 }, () => {
  const { stdout, stderr } = spawnSync('npx', ['lossmeter', '--version'], { cwd: ROOT, env, encoding: 'utf8' });
  expect(stdout.trim(), stderr).toBe(VERSION);
});

test('the command of the package runs what was compiled', () => {
  const bin = 'src/cli/bin.js';
  const listed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    env,
    encoding: 'utf8',
  });
  const [{ files }] = JSON.parse(listed.stdout) as [{ files: { path: string }[] }];
  const names = files.map(({ path }) => path);
  expect(names).toContain(bin);
  expect(names.filter((name) => name.startsWith('src/'))).toEqual([bin]);
  // The folder layout of the package, with a stub of the command line that reports its use.
  const unpacked = join(folder, 'package');
  mkdirSync(join(unpacked, 'dist/src/cli'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(unpacked, 'package.json'));
  cpSync(join(ROOT, bin), join(unpacked, bin));
  writeFileSync(join(unpacked, 'dist/src/cli/cli.js'), 'export const run = ([word]) => console.log(word);');
  const run = spawnSync(process.execPath, [bin, 'compiled'], { cwd: unpacked, encoding: 'utf8' });
  expect(run.stdout.trim(), run.stderr).toBe('compiled');
});
