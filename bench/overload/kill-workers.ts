/** Preloaded into the service: tells which worker threads live, and ends the one whose id it is sent first. */
import { isMainThread } from 'node:worker_threads';
import type { Worker } from 'node:worker_threads';

// Workers preload it too.
if (isMainThread) {
  const threads = new Map<number, Worker>();
  process.on('worker', (worker) => {
    // Once it has ended it has none.
    const { threadId } = worker;
    threads.set(threadId, worker);
    worker.once('exit', () => threads.delete(threadId));
  });
  process.on('message', (victim: number) => {
    void Promise.resolve(threads.get(victim)?.terminate()).then(() => process.send!([...threads.keys()]));
  });
  process.channel!.unref();
}
