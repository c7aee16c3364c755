import { benchBulk } from './bulk.ts';
import { benchClient } from './client.ts';
import { benchComparedFiles } from './compare-files.ts';
import { benchCompare } from './compare.ts';
import { benchDiagnostics } from './diagnostics.ts';
import { benchFeatures } from './features.ts';
import { benchKernels } from './kernel.ts';
import { benchLatency } from './latency.ts';
import { benchLocalFile } from './local-file.ts';
import { benchMemory } from './memory.ts';
import { benchPeers } from './peers.ts';
import { peerEnvironment } from './peers/environment.ts';
import { benchPost } from './post.ts';
import { benchRecord } from './record.ts';
import { benchThreads } from './threads.ts';
import { chooseSections, runSections } from './sections.ts';
import { benchRuns } from './runs.ts';
import { benchSmall } from './small.ts';
import { benchTracing } from './tracing.ts';
import { benchStart } from './start.ts';

const SECTIONS = {
  kernel: benchKernels,
  features: benchFeatures,
  compare: benchCompare,
  diagnostics: benchDiagnostics,
  post: benchPost,
  small: benchSmall,
  tracing: benchTracing,
  peers: benchPeers,
  client: benchClient,
  file: benchLocalFile,
  'compare-files': benchComparedFiles,
  memory: benchMemory,
  latency: benchLatency,
  runs: benchRuns,
  record: benchRecord,
  bulk: benchBulk,
  threads: benchThreads,
  start: benchStart,
};

const END_WITHIN_MS = 600_000;

const sections = chooseSections(SECTIONS, process.argv.slice(2));
await runSections(sections, {
  results: 'latest.json',
  endWithinMs: END_WITHIN_MS,
  // The packages of the peers may have to be downloaded first.
  prepare: async () =>
    void (sections.some(([name]) => ['peers', 'client', 'compare'].includes(name)) && (await peerEnvironment())),
});
