// Compiles the AssemblyScript kernels into one WebAssembly file per variant, from the same source. Plain JavaScript,
// because `prepare` runs it on whatever Node.js installed the package.
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const folder = fileURLToPath(new URL('.', import.meta.url));

const VARIANTS = {
  strict: ['--enable', 'simd'],
  relaxed: ['--enable', 'simd', '--enable', 'relaxed-simd'],
};

for (const [variant, features] of Object.entries(VARIANTS)) {
  const { error } = await asc.main(
    [
      'assembly/index.ts',
      `--baseDir=${folder}`,
      `--outFile=build/${variant}.wasm`,
      '--runtime=stub',
      ...features,
      '-O3',
      '--converge',
      '--noAssert',
    ],
    { stderr: process.stderr },
  );
  if (error) process.exit(1);
}
