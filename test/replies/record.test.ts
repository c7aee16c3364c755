import { expect, onTestFinished, test } from 'vitest';
import { Service } from '../service.ts';
import { RecordedReplies } from './record.ts';

const service = Service.start();

test('the replies of a service that runs are recorded for the file of tests that runs', async () => {
  await service.get('/livez');
  const { RECORDED_REPLIES: own } = process.env;
  onTestFinished(() => void (process.env['RECORDED_REPLIES'] = own));
  const replies = new RecordedReplies();
  replies.recordHere();
  const options = process.env['NODE_OPTIONS']!;
  expect(options.split('--require=')).toHaveLength(2);
  await (await service.get('/livez')).text();
  replies.end();
  expect(replies.count).toBe(1);
});
