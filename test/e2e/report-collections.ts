/** Preloaded into the service: writes a line for each collection of the whole heap. */
import { PerformanceObserver, constants } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

// Workers preload it too.
if (isMainThread) {
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as unknown as { detail: { kind: number } }).detail;
      if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) console.info('collected the whole heap');
    }
  });
  observer.observe({ entryTypes: ['gc'] });
}
