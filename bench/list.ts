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
import { benchPost } from './post.ts';
import { benchRecord } from './record.ts';
import { benchThreads } from './threads.ts';
import { benchRuns } from './runs.ts';
import { benchSmall } from './small.ts';
import { benchTracing } from './tracing.ts';
import { benchStart } from './start.ts';
import type { Section } from './sections.ts';

interface Topic {
  /** Quantity and reference of the figures. The page of the figures shows the text above its table. */
  readonly text: string;
  readonly run: Section;
}

/** The sections of the bench, in their order. */
export const TOPICS = {
  kernel: {
    text: 'The kernels on one thread, block by block as the service runs them, against the same loops in plain JavaScript.',
    run: benchKernels,
  },
  features: {
    text: 'Each option, output and metric on one thread, as a multiple of the loss alone.',
    run: benchFeatures,
  },
  compare: {
    text: 'Divergences on one thread, in bytes per second of both sets of logits. They are compared with the loss, in bytes per second of its one set, and with `kl_div` of two `log_softmax` in PyTorch on one thread.',
    run: benchCompare,
  },
  diagnostics: {
    text: 'Diagnostics of finite logits, against the forward kernel alone; and diagnostics of batches with a NaN in 1 % or in all of the rows, against finite logits.',
    run: benchDiagnostics,
  },
  post: {
    text: 'A large request over HTTP, against a server that reads the same bytes and discards them.',
    run: benchPost,
  },
  small: {
    text: 'Small requests over HTTP, against Fastify alone, which reads the body and answers a constant, and against a route that decodes, evaluates and answers in one turn of the event loop without any other feature of the service.',
    run: benchSmall,
  },
  tracing: { text: 'Small requests with OpenTelemetry, against those without.', run: benchTracing },
  peers: {
    text: 'The usual alternatives on the same machine: PyTorch on one thread, as installed and with an allocator that reuses pages, and FastAPI on uvicorn with msgpack and PyTorch.',
    run: benchPeers,
  },
  client: { text: "The Python client, against Python's own `http.client` with a prepared body.", run: benchClient },
  file: { text: 'A file that a request names, against reading it.', run: benchLocalFile },
  'compare-files': {
    text: 'Memory beyond that of the idle service, while it compares two files.',
    run: benchComparedFiles,
  },
  memory: { text: 'Memory beyond that of the idle service, while a body streams through.', run: benchMemory },
  latency: {
    text: 'How long the event loop and `/livez` wait, idle and while large bodies arrive.',
    run: benchLatency,
  },
  runs: { text: 'The history: what a recording adds, and reads of runs, curves and scalars.', run: benchRuns },
  record: {
    text: 'Durable recordings, one a request, against pgbench inserting the same rows.',
    run: benchRecord,
  },
  bulk: { text: 'Durable recordings in bulk, against the bare databases inserting the same rows.', run: benchBulk },
  threads: { text: 'How the processor time of a request is divided over threads.', run: benchThreads },
  start: { text: 'From the start of the process to `/readyz`, against a Node.js that does nothing.', run: benchStart },
} as const satisfies Record<string, Topic>;
