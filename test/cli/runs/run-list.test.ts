import { afterEach, expect, test } from 'vitest';
import { formatRuns, printable } from '../../../src/cli/runs/list.ts';
import { findRuns, readPositive } from '../../../src/cli/runs/run-list.ts';
import { RemoteService } from '../../../src/cli/runs/service.ts';
import { AnsweringServer } from './answering-server.ts';

let server: AnsweringServer | undefined;
afterEach(() => server?.close());

const summary = (run: string) => ({
  run,
  status: 'idle' as const,
  created_at: '2030-01-01T00:00:00.000Z',
  updated_at: '2030-01-02T00:00:00.000Z',
  steps: 3,
  batches: 3,
  ranks: 1,
  non_finite_steps: 1,
  last_step: 2,
  last_loss: 'NaN',
  best_loss: 1.234_567_89,
});

test('pages follow their cursors, with the same filters', async () => {
  server = await AnsweringServer.start((_request, count) => ({
    status: 200,
    body: { runs: [summary(`r${count}`)], ...(count < 2 && { next: `c${count}` }) },
  }));
  const filters = { search: 'a b', label: ['x=1', 'y=2'], tag: undefined, sort: 'name' };
  const runs = await Array.fromAsync(findRuns(new RemoteService({ url: server.url }), filters));
  expect(runs.map(({ run }) => run)).toEqual(['r0', 'r1', 'r2']);
  const queries = server.received.map(({ path }) => Object.fromEntries(new URL(path, server!.url).searchParams));
  expect(queries).toEqual([
    { search: 'a b', label: 'y=2', sort: 'name', limit: '200' },
    { search: 'a b', label: 'y=2', sort: 'name', limit: '200', cursor: 'c0' },
    { search: 'a b', label: 'y=2', sort: 'name', limit: '200', cursor: 'c1' },
  ]);
  expect(new URL(server.received[0]!.path, server.url).searchParams.getAll('label')).toEqual(['x=1', 'y=2']);
});

test('no more runs are asked for than wanted', async () => {
  server = await AnsweringServer.start((_request, count) => ({
    status: 200,
    body: { runs: Array.from({ length: count === 0 ? 200 : 50 }, (_, k) => summary(`r${k}`)), next: 'c' },
  }));
  const runs = await Array.fromAsync(findRuns(new RemoteService({ url: server.url }), {}, 250));
  expect(runs).toHaveLength(250);
  expect(server.received.map(({ path }) => /limit=(\d+)/.exec(path)![1])).toEqual(['200', '50']);
});

test('a table has a line a run, with six digits of its losses', () => {
  expect(formatRuns([{ ...summary('gpt'), state: 'crashed' }]).split('\n')).toEqual([
    'run    state  steps  last step  last loss  best loss  non-finite                   updated',
    'gpt  crashed      3          2        NaN    1.23457           1  2030-01-02T00:00:00.000Z',
  ]);
});

test('names cannot control the terminal', () => {
  expect(printable('a\u001B[31mb\u202Ec\n')).toBe('a�[31mb�c�');
});

test.each(['0', '-1', '1.5', 'x'])('%s is refused as a number', (text) => {
  expect(() => readPositive('limit', text)).toThrow(`--limit is ${text}`);
});
