/** Virtual environments of Python. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../..');

export interface Environment {
  /** Names the environment, `lossmeter-NAME`. */
  name: string;
  /** List of packages to install, from the root of the checkout. */
  requirements: string;
  /** List of packages that are installed without their dependencies, from the root of the checkout. */
  alone?: string;
  /** Files that say what else is, if any. */
  others?: readonly string[];
}

/** The folder of an environment, which is made where it is missing. @throws Error that names what is missing */
export function environmentOf({ name, requirements, alone, others = [] }: Environment): string {
  const environment = path.join(ROOT, 'node_modules/.cache', `lossmeter-${name}`);
  const found = spawnSync('python3', ['--version'], { encoding: 'utf8' });
  if (found.status !== 0) {
    throw new Error('The tests in Python need python3, 3.11 or later, with venv; there is none on the PATH.');
  }

  // The environment is made for one Python and one list of packages. The stamp is written last: what was interrupted is
  // made anew.
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
