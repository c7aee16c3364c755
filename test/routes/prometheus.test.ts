import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import { VERSION } from '../../src/version.ts';
import { Exposition } from '../exposition.ts';
import { exchange } from '../raw-http.ts';
import { JSON_TYPE, Service } from '../service.ts';

const service = Service.start();

const scrape = async (of = service): Promise<Exposition> => Exposition.read(await of.get('/metrics'));

/** Growth of samples during an action. */
async function growth(
  action: () => Promise<unknown>,
): Promise<(name: string, labels?: Record<string, string>) => number> {
  const before = await scrape();
  await action();
  const after = await scrape();
  return (name, labels) => after.sum(name, labels) - before.sum(name, labels);
}

/** Scrapes until a condition holds. */
async function until(isSo: (metrics: Exposition) => boolean): Promise<Exposition> {
  for (let k = 0; k < 500; k++) {
    const metrics = await scrape();
    if (isSo(metrics)) return metrics;
    await sleep(10);
  }
  throw new Error('it did not become so');
}

const GOOD = {
  logits: [
    [0, 1],
    [2, 3],
    [4, 5],
  ],
  label: [0, 1, -100],
};
const ROUTE = { method: 'POST', route: '/v1/cross-entropy' };

describe('requests', () => {
  test('are counted by method, route and status, timed, and their bytes counted', async () => {
    const grown = await growth(() => service.post(GOOD));
    expect(grown('lossmeter_http_requests_total', { ...ROUTE, status: '200' })).toBe(1);
    expect(grown('lossmeter_http_request_duration_seconds_count', ROUTE)).toBe(1);
    expect(grown('lossmeter_http_request_duration_seconds_bucket', { ...ROUTE, le: '+Inf' })).toBe(1);
    expect(grown('lossmeter_http_request_duration_seconds_sum', ROUTE)).toBeGreaterThan(0);
    const bytes = grown('lossmeter_http_request_bytes_total');
    expect(bytes).toBeGreaterThan(JSON.stringify(GOOD).length);
    expect(bytes).toBeLessThan(2000);
  });

  test('that are refused are counted by the code of the error', async () => {
    const grown = await growth(async () => {
      await service.post({ ...GOOD, label: [0, 1, 2] });
      await service.post(GOOD, { path: '/v2/models/cross_entropy/infer' });
    });
    expect(grown('lossmeter_http_requests_total', { ...ROUTE, status: '422' })).toBe(1);
    expect(grown('lossmeter_http_requests_refused_total', { code: 'invalid_label' })).toBe(1);
    expect(grown('lossmeter_http_requests_refused_total')).toBe(2);
    expect(grown('lossmeter_evaluations_total')).toBe(0);
  });

  test('of unknown paths are one series for each method and status', async () => {
    await service.get('/unknown');
    const before = await scrape();
    for (let k = 0; k < 50; k++) {
      await service.get(`/unknown-${k}?query=${k}`);
      await service.get(`/v1/unknown-${k}`);
      await service.get(`/v1/cross-entropy/unknown-${k}/%20"\\`);
    }
    // An invalid path, for which no route can be looked up.
    const { status } = await exchange(service.url, [
      Buffer.from('GET /unknown/%zz HTTP/1.1\r\nhost: localhost\r\n\r\n'),
    ]);
    expect(status).toBe(400);
    const after = await scrape();
    const none = (metrics: Exposition, status: string) =>
      metrics.sum('lossmeter_http_requests_total', { method: 'GET', route: 'none', status });
    expect(none(after, '404') - none(before, '404')).toBe(150);
    expect(none(after, '400') - none(before, '400')).toBe(1);
    const seriesOf = (metrics: Exposition) =>
      metrics.samples.map(({ name, labels }) => JSON.stringify([name, labels])).toSorted();
    const added = seriesOf(after).filter((series) => !seriesOf(before).includes(series));
    expect(added).toEqual([
      JSON.stringify(['lossmeter_http_requests_total', { method: 'GET', route: 'none', status: '400' }]),
    ]);
  });

  test('whose head is no request have a code and nothing else', async () => {
    const grown = await growth(async () => {
      const { status } = await exchange(service.url, [Buffer.from('nonsense\r\n\r\n')]);
      expect(status).toBe(400);
    });
    expect(grown('lossmeter_http_requests_refused_total', { code: 'bad_request' })).toBe(1);
  });

  test('whose path has variable parts are counted by its pattern', async () => {
    const grown = await growth(async () => {
      await service.get('/v2/models/one');
      await service.get('/v2/models/another');
    });
    expect(grown('lossmeter_http_requests_total', { route: '/v2/models/*', status: '404' })).toBe(2);
  });

  test('that are under way are seen; those whose client leaves have the status 499', async () => {
    const { hostname, port } = new URL(service.url);
    const socket = connect({ host: hostname, port: Number(port) });
    const head = `POST /v1/cross-entropy HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${JSON_TYPE}\r\ncontent-length: 100\r\n\r\n{`;
    socket.write(head);
    const during = await until((metrics) => metrics.sum('lossmeter_requests_in_flight') === 1);
    const left = { ...ROUTE, status: '499' };
    expect(during.sum('lossmeter_http_requests_total', left)).toBe(0);
    socket.destroy();
    const after = await until((metrics) => metrics.sum('lossmeter_http_requests_total', left) === 1);
    expect(after.sum('lossmeter_requests_in_flight')).toBe(0);
    expect(after.sum('lossmeter_http_request_bytes_total')).toBeGreaterThan(
      during.sum('lossmeter_http_request_bytes_total'),
    );
  });
});

describe('evaluations', () => {
  test('are counted by verdict, with their rows and the time of their phases', async () => {
    const grown = await growth(() => service.post(GOOD));
    expect(grown('lossmeter_evaluations_total', { verdict: 'finite' })).toBe(1);
    expect(grown('lossmeter_evaluations_total')).toBe(1);
    expect(grown('lossmeter_non_finite_total')).toBe(0);
    expect(grown('lossmeter_evaluated_rows_total')).toBe(3);
    for (const phase of ['ingest', 'compute', 'reduce']) {
      expect(grown('lossmeter_evaluation_seconds_count', { phase }), phase).toBe(1);
    }
  });

  test.each(['report', 'reject'])('that are not finite are counted with their causes: %s', async (on_non_finite) => {
    const logits = [['NaN', 1], ['Infinity', 3], GOOD.logits[2]];
    const grown = await growth(() => service.post({ ...GOOD, logits, options: { on_non_finite } }));
    expect(grown('lossmeter_evaluations_total', { verdict: 'non_finite' })).toBe(1);
    expect(grown('lossmeter_evaluations_total', { verdict: 'finite' })).toBe(0);
    expect(grown('lossmeter_non_finite_total', { cause: 'nan_logit' })).toBe(1);
    expect(grown('lossmeter_non_finite_total', { cause: 'pos_inf_logit' })).toBe(1);
    expect(grown('lossmeter_non_finite_total')).toBe(2);
    const isRefused = on_non_finite === 'reject' ? 1 : 0;
    expect(grown('lossmeter_http_requests_refused_total', { code: 'non_finite_loss' })).toBe(isRefused);
  });

  test('of shards are counted when they are combined', async () => {
    const shard = (start: number) => ({
      ...GOOD,
      logits: GOOD.logits.map((row) => [row[start]]),
      ...{ vocab_start: start, vocab_size: 2 },
    });
    const partials: unknown[] = [];
    const ofShards = await growth(async () => {
      for (const start of [0, 1]) {
        partials.push((await service.post(shard(start), { path: '/v1/cross-entropy/partials' })).body);
      }
    });
    expect(ofShards('lossmeter_evaluation_seconds_count', { phase: 'compute' })).toBe(2);
    expect(ofShards('lossmeter_evaluations_total')).toBe(0);
    const combined = await growth(() => service.post({ partials }, { path: '/v1/cross-entropy/combine' }));
    expect(combined('lossmeter_evaluations_total', { verdict: 'finite' })).toBe(1);
    expect(combined('lossmeter_evaluated_rows_total')).toBe(3);
  });
});

test('resources are read when they are asked for', async () => {
  const metrics = await scrape();
  const values = ['lossmeter_workers', 'lossmeter_workers_lost_total', 'lossmeter_requests_queued'];
  expect(values.map((name) => metrics.sum(name))).toEqual([1, 0, 0]);
  expect(metrics.sum('lossmeter_bytes_in_flight_limit')).toBe(2 ** 30);
  expect(metrics.sum('lossmeter_bytes_in_flight')).toBeLessThan(2 ** 30);
  expect(metrics.sum('lossmeter_build_info', { version: VERSION })).toBe(1);
  expect(metrics.sum('process_resident_memory_bytes')).toBeGreaterThan(2 ** 20);
});

describe('the text', () => {
  test('has every series from the start that is known at the start', async () => {
    const metrics = await scrape();
    const codes = metrics.families.get('lossmeter_http_requests_refused_total')!.samples;
    expect(codes.map(({ labels }) => labels['code'])).toEqual(Object.keys(ERRORS));
  });

  test('keeps to the conventions: units, totals, and buckets that add up', async () => {
    const { families } = await scrape();
    for (const [name, { type, samples }] of families) {
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
      for (const [k, { labels, value }] of buckets.entries()) {
        const next = buckets[k + 1];
        if (labels['le'] !== '+Inf') {
          expect(Number(next!.labels['le']!.replace('+Inf', 'Infinity'))).toBeGreaterThan(Number(labels['le']));
          expect(next!.value).toBeGreaterThanOrEqual(value);
          continue;
        }
        const { le: _, ...others } = labels;
        const count = samples.find(
          (sample) =>
            sample.name === `${name}_count` && Object.entries(others).every(([l, v]) => sample.labels[l] === v),
        );
        expect(count?.value).toBe(value);
      }
    }
  });

  test('is what docs/metrics.md lists', async () => {
    // Series of runs appear after a recording.
    const body = JSON.stringify({ numerator: 1, denominator: 1 });
    const headers = { 'content-type': JSON_TYPE };
    await fetch(`${service.url}/v1/runs/a/steps/1/ranks/0`, { method: 'PUT', headers, body });
    const page = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
    const listed = [...page.matchAll(/^\| `([a-z]\w+)` \| (\w+) \| (.*?) ?\| .+ \|$/gm)].map(
      ([, name, type, labels]) => `${name} ${type} ${labels!.replaceAll('`', '')}`,
    );
    const given = [...(await scrape()).families].map(([name, { type, samples }]) => {
      const labels = Object.keys(samples[0]!.labels).filter((label) => label !== 'le');
      return `${name} ${type} ${labels.join(', ')}`;
    });
    const expected = process.platform === 'linux' ? listed : listed.filter((line) => !line.includes('_fds '));
    expect(given.toSorted()).toEqual(expected.toSorted());
  });
});

describe('a service of its own', () => {
  const other = Service.start();

  test('counts for itself', async () => {
    const before = await scrape(other);
    await service.post(GOOD);
    const after = await scrape(other);
    expect(after.sum('lossmeter_evaluations_total')).toBe(before.sum('lossmeter_evaluations_total'));
  });
});

describe('without metrics', () => {
  const silent = Service.start({ metrics: 'off' });

  test('there is no such path, and evaluations are answered', async () => {
    expect((await silent.get('/metrics')).status).toBe(404);
    expect((await silent.post(GOOD)).status).toBe(200);
  });
});
