#!/usr/bin/env node
// The entry point. Plain JavaScript that every Node.js can parse, so that an old one can report that it is too old.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const REQUIRED_MAJOR = 24;

/** Milliseconds between two checks for npm's shell. */
const PARENT_CHECK_MS = 250;

if (Number.parseInt(process.versions.node, 10) < REQUIRED_MAJOR) {
  console.error(
    `lossmeter needs Node.js ${REQUIRED_MAJOR} or later, this is ${process.version}. In a checkout, \`npm ci\` installs\n` +
      'one that `npm start` then uses (with development dependencies and install scripts allowed).',
  );
  process.exit(1);
}

// As process 1 of a container, a process ignores signals without a handler. This handler ends the process until the
// service installs its own.
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

// npm and npx start this process through a shell, and forward signals to the shell only. The shell ends and leaves this
// process running.
if (process.env['npm_execpath'] !== undefined) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    // A terminal signals both processes, and a second signal would end the service at once.
    if (!isSignalled) process.kill(process.pid, 'SIGTERM');
  }, PARENT_CHECK_MS);
  watch.unref();
}

// Caches compiled code for the next start in the folder for temporary files. NODE_COMPILE_CACHE names another folder,
// and NODE_DISABLE_COMPILE_CACHE=1 disables the cache. Worker threads read only the variable.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');
module.enableCompileCache();

// In a checkout the modules are TypeScript. In the package they are compiled: beside the copy of this file in dist/,
// and in dist/ relative to this file's place in the package.
const places = ['./cli.ts', './cli.js', '../../dist/src/cli/cli.js'].map((place) => new URL(place, import.meta.url));
const { run } = await import(places.find((place) => existsSync(place)).href);
await run(process.argv.slice(2));
