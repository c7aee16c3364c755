/** The code generators of npm, in a folder of their own: they need another version of TypeScript than the service. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const FILES = ['package.json', 'package-lock.json', '.npmrc'];
const FOLDER = path.resolve(import.meta.dirname, '../../node_modules/.cache/lossmeter-npm-generators');

/** Folder in which they are installed. It is made at the first call. */
export function npmTools(): string {
  const lock = readFileSync(path.join(import.meta.dirname, 'package-lock.json'), 'utf8');
  // Written last: an interrupted installation is repeated.
  const stamp = path.join(FOLDER, 'installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return FOLDER;
  mkdirSync(FOLDER, { recursive: true });
  for (const file of FILES) copyFileSync(path.join(import.meta.dirname, file), path.join(FOLDER, file));
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: FOLDER, stdio: 'inherit' });
  if (status !== 0) throw new Error(`the code generators of npm could not be installed in ${FOLDER}`);
  writeFileSync(stamp, lock);
  return FOLDER;
}

/** Path of a command of theirs. */
export const npmTool = (name: string): string => path.join(npmTools(), 'node_modules/.bin', name);
