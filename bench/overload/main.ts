import { parseArgs } from 'node:util';
import { chooseSections, runSections } from '../sections.ts';
import { benchLoad } from './load.ts';
import { benchSlow } from './slow.ts';
import { benchWorkers } from './workers.ts';

const SECONDS = 60;
/** Seconds of each secondary workload, which confirms the main one. */
const SECONDS_BESIDE = 15;
const END_WITHIN_MS = 300_000;

const { values, positionals } = parseArgs({ options: { seconds: { type: 'string' } }, allowPositionals: true });
const seconds = Number(values.seconds ?? SECONDS);
if (!(seconds >= 1 && seconds <= SECONDS)) {
  console.error(`--seconds is ${values.seconds}, expected 1 to ${SECONDS}`);
  process.exit(2);
}

const SECTIONS = {
  load: () => benchLoad({ mainSeconds: seconds, seconds: Math.min(seconds, SECONDS_BESIDE) }),
  slow: benchSlow,
  workers: () => benchWorkers(seconds),
};

await runSections(chooseSections(SECTIONS, positionals), { results: 'overload.json', endWithinMs: END_WITHIN_MS });
