import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { formatTable, isMet } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { benchFeatures } from './features.ts';
import { benchKernels } from './kernel.ts';
import { benchLatency } from './latency.ts';
import { benchLocalFile } from './local-file.ts';
import { benchMemory } from './memory.ts';
import { benchPeers } from './peers.ts';
import { peerEnvironment } from './peers/environment.ts';
import { benchPost } from './post.ts';
import { benchSmall } from './small.ts';
import { benchStart } from './start.ts';

const SECTIONS = {
  kernel: benchKernels,
  features: benchFeatures,
  post: benchPost,
  small: benchSmall,
  peers: benchPeers,
  file: benchLocalFile,
  memory: benchMemory,
  latency: benchLatency,
  start: benchStart,
};
type Section = keyof typeof SECTIONS;

const RESULTS = new URL('./results/latest.json', import.meta.url);
const END_WITHIN_MS = 480_000;

function sectionsOf(names: readonly string[]): Section[] {
  const unknown = names.filter((name) => !Object.hasOwn(SECTIONS, name));
  if (unknown.length > 0) {
    console.error(`unknown section ${unknown.join(', ')}; there are ${Object.keys(SECTIONS).join(', ')}`);
    process.exit(2);
  }
  return (names.length === 0 ? Object.keys(SECTIONS) : names) as Section[];
}

function describeMachine(): Record<string, string | number> {
  const processors = cpus();
  return {
    processor: processors[0]?.model ?? 'unknown',
    processors: processors.length,
    memory_bytes: totalmem(),
    node: process.version,
  };
}

const sections = sectionsOf(process.argv.slice(2));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
// It may be downloaded first, which has a bound of its own.
if (sections.includes('peers')) await peerEnvironment();

// Leaving by process.exit ends the child servers too.
setTimeout(() => {
  console.error(`the bench did not end within ${END_WITHIN_MS} ms`);
  process.exit(1);
}, END_WITHIN_MS).unref();

const comparisons: Comparison[] = [];
for (const section of sections) {
  console.error(`${section} …`);
  comparisons.push(...(await SECTIONS[section]()));
}
const machine = describeMachine();
console.log(`${machine['processors']} × ${machine['processor']}, Node.js ${machine['node']}\n`);
console.log(formatTable(comparisons));

const rows = comparisons.map((comparison) => Object.assign(comparison, { met: isMet(comparison) }));
mkdirSync(new URL('.', RESULTS), { recursive: true });
writeFileSync(RESULTS, `${JSON.stringify({ date: new Date().toISOString(), machine, rows }, undefined, 2)}\n`);
