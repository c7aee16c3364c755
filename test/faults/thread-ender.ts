/** Preloaded into the service. A message with a part of a file name ends the threads that run the file. */
import { Worker, isMainThread } from 'node:worker_threads';

// Threads preload it too.
if (isMainThread && process.channel !== undefined) {
  const files = new Map<Worker, string>();
  const post = Object.getOwnPropertyDescriptor(Worker.prototype, 'postMessage')!.value as Worker['postMessage'];
  Worker.prototype.postMessage = function postMessage(this: Worker, message: unknown, ...others: unknown[]): void {
    // The first message of Piscina to a thread names the file to run.
    const { filename } = message as { filename?: unknown };
    if (typeof filename === 'string') files.set(this, filename);
    post.call(this, message, ...(others as [never]));
  };
  process.on('message', (name: string) => {
    const victims = [...files].filter(([worker, file]) => worker.threadId > 0 && file.includes(name));
    void Promise.all(victims.map(([worker]) => worker.terminate())).then(() => process.send!(victims.length));
  });
  process.channel.unref();
}
