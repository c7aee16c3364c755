/** Python virtual environments. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../..');

export interface Environment {
  /** Name of the environment, whose folder is `lossmeter-NAME`. */
  name: string;
  /** Path of a list of packages to install, relative to the root of the checkout. */
  requirements: string;
  /** Path of a list of packages to install without their dependencies, relative to the root of the checkout. */
  alone?: string;
  /** Paths of further files that determine the installed packages. */
  others?: readonly string[];
}

/** Folder of an environment, which is created when it is missing. @throws Error that names what is missing */
export function environmentOf({ name, requirements, alone, others = [] }: Environment): string {
  const environment = path.join(ROOT, 'node_modules/.cache', `lossmeter-${name}`);
  const found = spawnSync('python3', ['--version'], { encoding: 'utf8' });
  if (found.status !== 0) {
    throw new Error('The tests in Python need python3, 3.11 or later, with venv; there is none on the PATH.');
  }

  // The environment belongs to one version of Python and one list of packages. The stamp is written last: an interrupted
  // installation is repeated.
  const stamp = path.join(environment, 'requirements.txt');
  const bare = alone === undefined ? [] : [alone];
  const lists = [requirements, ...bare, ...others].map((file) => readFileSync(path.join(ROOT, file), 'utf8'));
  const wanted = [`# ${found.stdout.trim()}`, ...lists].join('\n');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return environment;
  const install = [pythonOf(environment), '-m', 'pip', 'install', '--quiet', '--requirement'];
  const make = [
    ['python3', '-m', 'venv', '--clear', environment],
    [...install, requirements],
    ...bare.map((file) => [...install, file, '--no-deps']),
  ];
  for (const [program, ...args] of make) {
    if (spawnSync(program!, args, { cwd: ROOT, stdio: 'inherit' }).status === 0) continue;
    throw new Error(`The virtual environment ${path.relative(ROOT, environment)} could not be made.`);
  }
  writeFileSync(stamp, wanted);
  return environment;
}

/** The interpreter of an environment. */
export function pythonOf(environment: string): string {
  return path.join(environment, 'bin/python');
}
