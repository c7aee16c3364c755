import { readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { recognise } from '../../src/import/formats.ts';
import { FIXTURES, fixture } from './parse.ts';

const [eventFile] = readdirSync(path.join(FIXTURES, 'event-files/simple'));

test.each([
  ['tensorboard', 'any', fixture(`event-files/simple/${eventFile}`)],
  ['tensorboard', 'events.out.tfevents.1.host', Buffer.alloc(0)],
  ['megatron', 'train.log', fixture('megatron.log')],
  ['megatron', 'slurm-17.out', fixture('megatron-deepspeed.log')],
  ['mindformers', 'info.log', fixture('mindformers/rank_0/info.log')],
  ['ndjson', 'any', Buffer.from('{"step": 1}\n')],
  ['ndjson', 'metrics.jsonl', Buffer.from('\n')],
  ['csv', 'metrics.csv', Buffer.from('a,b\n')],
  ['csv', 'any', Buffer.from('"global_step",loss\n1,2\n')],
])('%s is recognised in %s', (name, file, head) => {
  expect(recognise(file, head)?.name).toBe(name);
});

test('other files are recognised as none', () => {
  expect(recognise('README.md', Buffer.from('# Title\n'))).toBeUndefined();
});
