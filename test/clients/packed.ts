/** Packages as users get them: packed, and installed into an empty folder outside of the checkout. */
import { execFile } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

interface Packing {
  /** Folder of the package's sources. */
  source: string;
  /** Options of `npm pack`. */
  options?: readonly string[];
  /** Further packages, as arguments of `npm install`. */
  others?: readonly string[];
}

/** Packs a package and installs it. @param folder empty folder */
export async function installPacked(folder: string, { source, options = [], others = [] }: Packing): Promise<void> {
  const npm = (args: readonly string[], cwd: string) => run('npm', [...args, '--no-audit', '--no-fund'], { cwd });
  await npm(['pack', ...options, '--pack-destination', folder], source);
  const [archive] = readdirSync(folder);
  writeFileSync(`${folder}/package.json`, '{ "type": "module" }');
  await npm(['install', `./${archive}`, ...others], folder);
}
