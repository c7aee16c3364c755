/** Preloaded into the service: measures its event loop, and reports to the process that started it when asked to. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** Milliseconds, of which one is the interval of the measurement itself. */
export interface LoopDelay {
  p99: number;
  max: number;
}

// Workers preload it too.
if (isMainThread) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  process.on('message', () => {
    const delay: LoopDelay = { p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 };
    process.send!(delay);
    histogram.reset();
  });
  process.channel!.unref();
}
