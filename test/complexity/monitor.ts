/**
 * Preloaded into the process of the service. On request it reports the processor time of the process, and the longest
 * processor time of the main thread between two samples. Processor time excludes other processes of the machine.
 */
import { isMainThread } from 'node:worker_threads';

/** Answer of the monitor, in milliseconds. The longest turn is the longest since the previous request. */
export interface Reading {
  processorTime: number;
  longestTurn: number;
}

const LOOK_EVERY_MS = 2;

// Workers of the service preload this file too.
if (isMainThread && process.send !== undefined) {
  let longest = 0;
  let before = mainThreadTime();
  const look = (): void => {
    const now = mainThreadTime();
    longest = Math.max(longest, now - before);
    before = now;
  };
  setInterval(look, LOOK_EVERY_MS).unref();
  process.on('message', () => {
    look();
    const { user, system } = process.cpuUsage();
    process.send!({ processorTime: (user + system) / 1000, longestTurn: longest } satisfies Reading);
    longest = 0;
  });
  process.channel!.unref();
}

function mainThreadTime(): number {
  // oxlint-disable-next-line typescript/no-unsafe-call -- @types/node does not know it yet
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
