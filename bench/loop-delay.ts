/** Preloaded into the service: measures its event loop, and reports to the parent process on request. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** Delays of the event loop in milliseconds. Each includes the resolution of 1 ms. */
export interface LoopDelay {
  p99: number;
  max: number;
}

// Worker threads preload this module too.
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
