/** Preloaded into the service: ends the worker thread with the received id, then reports the ids of living threads. */
import { isMainThread } from 'node:worker_threads';
import type { Worker } from 'node:worker_threads';

// Worker threads preload this module too.
if (isMainThread) {
  const threads = new Map<number, Worker>();
  process.on('worker', (worker) => {
    // Reads the id now: an ended worker has no id.
    const { threadId } = worker;
    threads.set(threadId, worker);
    worker.once('exit', () => threads.delete(threadId));
  });
  process.on('message', (victim: number) => {
    void Promise.resolve(threads.get(victim)?.terminate()).then(() => process.send!([...threads.keys()]));
  });
  process.channel!.unref();
}
