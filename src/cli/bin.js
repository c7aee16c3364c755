#!/usr/bin/env -S node --max-semi-space-size=1
// A small young generation lets go of a body's chunks early: with a large one V8 collects the whole heap again and
// again while a large body passes, which takes as long as evaluating it.
//
// The entry point. Plain JavaScript that every Node.js can read, so that one that is too old can be told so.
import { existsSync } from 'node:fs';
import module from 'node:module';

const REQUIRED_MAJOR = 24;

if (Number.parseInt(process.versions.node, 10) < REQUIRED_MAJOR) {
  console.error(
    `lossmeter needs Node.js ${REQUIRED_MAJOR} or later, this is ${process.version}. In a checkout, \`npm ci\` installs\n` +
      'one that `npm start` then uses (with development dependencies and install scripts allowed).',
  );
  process.exit(1);
}

// As process 1 of a container it would ignore a signal that nobody listens for. Until the service does, it ends here.
for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
]) {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(128 + number);
  });
}

// What was compiled is kept for the next start, in the folder for temporary files; NODE_COMPILE_CACHE names another, and
// NODE_DISABLE_COMPILE_CACHE=1 turns it off.
module.enableCompileCache();

// From sources the modules are TypeScript, in the package they are compiled.
const extension = existsSync(new URL('./cli.ts', import.meta.url)) ? 'ts' : 'js';
const { run } = await import(new URL(`./cli.${extension}`, import.meta.url).href);
await run(process.argv.slice(2));
