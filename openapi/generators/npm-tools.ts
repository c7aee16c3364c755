/** Code generators from npm, in a separate folder: they need another version of TypeScript than the service. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

const FILES = ['package.json', 'package-lock.json', '.npmrc'];
const CACHE = path.resolve(import.meta.dirname, '../../node_modules/.cache');

/** Folder of the installed code generators. The first call installs them. */
export function npmTools(): string {
  const lock = readFileSync(path.join(import.meta.dirname, 'package-lock.json'));
  const digest = createHash('sha256').update(lock).digest('hex').slice(0, 12);
  const folder = path.join(CACHE, `lossmeter-npm-generators-${digest}`);
  if (!existsSync(folder)) install(folder);
  return folder;
}

/** Installs into a temporary folder and renames it, because several processes may install at once. */
function install(folder: string): void {
  mkdirSync(CACHE, { recursive: true });
  const made = mkdtempSync(`${folder}-`);
  for (const file of FILES) copyFileSync(path.join(import.meta.dirname, file), path.join(made, file));
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: made, stdio: 'inherit' });
  if (status !== 0) throw new Error(`the code generators of npm could not be installed in ${made}`);
  try {
    renameSync(made, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    rmSync(made, { recursive: true });
  }
}

/** Path of a command of the code generators. */
export const npmTool = (name: string): string => path.join(npmTools(), 'node_modules/.bin', name);
