#!/usr/bin/env node
// The entry point. Plain JavaScript that every Node.js can read, so that one that is too old can be told so.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const REQUIRED_MAJOR = 24;

/** Milliseconds between two looks for the shell of npm. */
const PARENT_CHECK_MS = 250;

if (Number.parseInt(process.versions.node, 10) < REQUIRED_MAJOR) {
  console.error(
    `lossmeter needs Node.js ${REQUIRED_MAJOR} or later, this is ${process.version}. In a checkout, \`npm ci\` installs\n` +
      'one that `npm start` then uses (with development dependencies and install scripts allowed).',
  );
  process.exit(1);
}

// As process 1 of a container it would ignore a signal that nobody listens for. Until the service does, it ends here.
let isSignalled = false;
for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
]) {
  process.on(signal, () => {
    isSignalled = true;
    if (process.listenerCount(signal) === 1) process.exit(128 + number);
  });
}

// npm and npx run this by a shell, and hand a signal on to the shell alone, which leaves this behind.
if (process.env['npm_execpath'] !== undefined) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    // A terminal signals both, and a second signal ends a service at once.
    if (!isSignalled) process.kill(process.pid, 'SIGTERM');
  }, PARENT_CHECK_MS);
  watch.unref();
}

// Compiled code is kept for the next start, in the folder for temporary files; NODE_COMPILE_CACHE names another, and
// NODE_DISABLE_COMPILE_CACHE=1 turns it off. Worker threads see the variable alone.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');
module.enableCompileCache();

// From sources the modules are TypeScript, in the package they are compiled: beside the copy of this file there, and in
// dist/ from where the package has it.
const places = ['./cli.ts', './cli.js', '../../dist/src/cli/cli.js'].map((place) => new URL(place, import.meta.url));
const { run } = await import(places.find((place) => existsSync(place)).href);
await run(process.argv.slice(2));
