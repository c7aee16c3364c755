import { mapValues } from '../src/map-values.ts';
import { TOPICS } from './list.ts';
import { peerEnvironment } from './peers/environment.ts';
import { chooseSections, runSections } from './sections.ts';

const END_WITHIN_MS = 900_000;

const sections = chooseSections(
  mapValues(TOPICS, ({ run }) => run),
  process.argv.slice(2),
);
await runSections(sections, {
  results: 'latest.json',
  endWithinMs: END_WITHIN_MS,
  // The packages of the peers may have to be downloaded first.
  prepare: async () =>
    void (sections.some(([name]) => ['peers', 'client', 'compare'].includes(name)) && (await peerEnvironment())),
});
