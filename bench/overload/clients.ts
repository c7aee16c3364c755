/** Clients on their own thread, so that they do not block the measuring thread. Each message is a loop to run. */
import { parentPort } from 'node:worker_threads';
import { run } from './traffic.ts';
import type { ClosedLoop, OpenLoop } from './traffic.ts';

parentPort!.on('message', async (loop: ClosedLoop | OpenLoop) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is of windows
  parentPort!.postMessage(await run(loop));
});
