import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = import.meta.dirname;
const REQUIREMENTS = path.join(FOLDER, 'requirements.txt');
const ENVIRONMENT = path.resolve(FOLDER, '../.venv');
const PYTHON = path.join(ENVIRONMENT, 'bin/python');
/** Time limit of the installation, in milliseconds: the packages have several gigabytes. */
const INSTALL_WITHIN_MS = 20 * 60_000;
const WITHIN_MS = 60_000;

/** A Python with the peers' packages, or the reason why there is none. */
export type Environment = { python: string } | { missing: string };

let environment: Promise<Environment> | undefined;

/** Creates the virtual environment of the peers, once for each Python version and list of packages. */
export function peerEnvironment(): Promise<Environment> {
  environment ??= make().then(
    () => ({ python: PYTHON }),
    (error: unknown) => ({ missing: (error as Error).message }),
  );
  return environment;
}

async function make(): Promise<void> {
  const version = await run('python3', ['--version'], WITHIN_MS, 'there is no python3');
  // Writes the stamp last, so that an interrupted installation starts again.
  const stamp = path.join(ENVIRONMENT, 'requirements.txt');
  const wanted = `# ${version.trim()}\n${readFileSync(REQUIREMENTS, 'utf8')}`;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.error('peers: making their virtual environment, which takes minutes …');
  await run('python3', ['-m', 'venv', '--clear', ENVIRONMENT], WITHIN_MS, 'python3 has no venv');
  const install = ['-m', 'pip', 'install', '--quiet', '--retries', '1', '--requirement', REQUIREMENTS];
  await run(PYTHON, install, INSTALL_WITHIN_MS, 'the Python packages could not be installed');
  writeFileSync(stamp, wanted);
}

/**
 * Resolves with the program's output.
 * @throws Error `failure` with the last lines of the output
 */
function run(program: string, args: readonly string[], timeout: number, failure: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { timeout }, (error, stdout, stderr) => {
      process.off('exit', kill);
      if (error === null) {
        resolve(stdout);
        return;
      }
      const words = error.killed === true ? `not within ${timeout} ms` : stderr.trim().split('\n').at(-1);
      reject(new Error(words ? `${failure}: ${words}` : failure, { cause: error }));
    });
    const kill = (): boolean => child.kill();
    process.once('exit', kill);
  });
}
