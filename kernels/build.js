// Compiles the AssemblyScript kernels into one WebAssembly file per variant, from the same source, each in a thread of
// its own. Kernels that are up to date stay. Plain JavaScript, because `prepare` runs it on whatever Node.js installed
// the package.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import asc, { version } from 'assemblyscript/asc';

const folder = fileURLToPath(new URL('.', import.meta.url));

const VARIANTS = {
  strict: ['--enable', 'simd'],
  relaxed: ['--enable', 'simd', '--enable', 'relaxed-simd'],
};

/** SHA-256 of what the kernels of build/ were compiled from. */
const DIGEST = new URL('build/sources.sha256', import.meta.url);

/** @returns the digest of the sources, of this file and of the compiler's version */
function digestOfSources() {
  const sources = readdirSync(`${folder}assembly`, { recursive: true }).map((name) => `assembly/${name}`);
  const hash = createHash('sha256').update(version);
  for (const path of ['build.js', ...sources.filter((name) => name.endsWith('.ts')).toSorted()])
    hash.update(`\0${path}\0`).update(readFileSync(`${folder}${path}`));
  return hash.digest('hex');
}

function isUpToDate(digest) {
  const outputs = Object.keys(VARIANTS).map((variant) => new URL(`build/${variant}.wasm`, import.meta.url));
  return [DIGEST, ...outputs].every((path) => existsSync(path)) && readFileSync(DIGEST, 'utf8') === digest;
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
  const digest = digestOfSources();
  if (!isUpToDate(digest)) {
    rmSync(DIGEST, { force: true });
    const threads = Object.keys(VARIANTS).map(
      (variant) => new Worker(new URL(import.meta.url), { workerData: variant }),
    );
    const exits = await Promise.all(threads.map((thread) => once(thread, 'exit')));
    if (exits.some(([code]) => code !== 0)) process.exit(1);
    writeFileSync(DIGEST, digest);
  }
} else if (!(await compile(workerData))) process.exit(1);
