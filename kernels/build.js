// Compiles the AssemblyScript kernels into one WebAssembly file per variant, each in its own thread. Keeps kernels that
// are up to date. Plain JavaScript, because `prepare` runs it with any Node.js version that installs the package.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import asc, { version } from 'assemblyscript/asc';

const folder = fileURLToPath(new URL('.', import.meta.url));

const VARIANTS = {
  strict: ['--enable', 'simd'],
  relaxed: ['--enable', 'simd', '--enable', 'relaxed-simd'],
};

/** SHA-256 of the compiler's version, the sources of this folder and the kernels that were compiled from them. */
const STAMP = `${folder}build/stamp.sha256`;

/** Returns the digest of the files as they are now. It changes with a source, and with a kernel that is changed or missing. */
function digest() {
  const files = readdirSync(folder, { recursive: true }).filter((name) => /\.(?:ts|js|wasm)$/.test(name));
  const hash = createHash('sha256').update(version);
  for (const name of files.toSorted()) hash.update(`\0${name}\0`).update(readFileSync(`${folder}${name}`));
  return hash.digest('hex');
}

/** Compiles a variant; errors go to stderr. @returns true when there was none */
async function compile(variant) {
  const { error } = await asc.main(
    [
      'assembly/index.ts',
      `--baseDir=${folder}`,
      `--outFile=build/${variant}.wasm`,
      '--runtime=stub',
      ...VARIANTS[variant],
      '-O3',
      '--noAssert',
    ],
    { stderr: process.stderr },
  );
  return error === null;
}

if (isMainThread) {
  if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== digest()) {
    const threads = Object.keys(VARIANTS).map(
      (variant) => new Worker(new URL(import.meta.url), { workerData: variant }),
    );
    const exits = await Promise.all(threads.map((thread) => once(thread, 'exit')));
    if (exits.some(([code]) => code !== 0)) process.exit(1);
    writeFileSync(STAMP, digest());
  }
} else if (!(await compile(workerData))) process.exit(1);
