/** Worker for the tests of threads. A task takes all memory, fails, is refused, ends the thread, or doubles a number. */
import { LossmeterError } from '../src/errors.ts';
import { replyTo } from '../src/threads.ts';

export type GreedyTask = 'take all memory' | 'fail' | 'refuse' | 'end the thread' | number;

export default function work(task: GreedyTask): unknown {
  if (task === 'end the thread') process.exit(1);
  return replyTo(() => {
    if (typeof task === 'number') return 2 * task;
    if (task === 'fail') throw new TypeError('a bug');
    if (task === 'refuse')
      throw new LossmeterError('invalid_tensor', 'no tensor', [{ pointer: '/logits', detail: 'no' }]);
    const values: object[] = [];
    for (;;) values.push({ value: values.length });
  });
}
