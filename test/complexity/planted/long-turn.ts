/** Uses 200 ms of processor time when a body has arrived, independently of its length. */
import { onBody } from './bodies.ts';

const WORKED_MICROSECONDS = 200_000;

onBody(() => {
  const before = process.threadCpuUsage();
  const worked = (): number => {
    const { user, system } = process.threadCpuUsage(before);
    return user + system;
  };
  while (worked() < WORKED_MICROSECONDS);
});
