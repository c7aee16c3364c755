/** Runs the commands of the jobs in deploy/kubernetes unchanged, with sh, for each index. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { environment, lossmeter } from '../cli/shards/command.ts';
import { randomNumbers, shuffled, writeFiles } from '../cli/shards/small-files.ts';
import { ROOT } from '../e2e/process.ts';

interface Container {
  command: [shell: string, ...flags: string[]];
  args: string[];
  env: { name: string; value: string }[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  securityContext: object;
}

interface Job {
  apiVersion: string;
  kind: string;
  spec: {
    completionMode?: string;
    completions?: number;
    backoffLimitPerIndex?: number;
    template: {
      spec: { restartPolicy: string; securityContext: object; containers: [Container]; volumes: { name: string }[] };
    };
  };
}

const read = (name: string): Job => parse(readFileSync(join(ROOT, 'deploy/kubernetes', name), 'utf8')) as Job;

const jobs = { evaluate: read('evaluate-job.yaml'), combine: read('combine-job.yaml') };

const containerOf = ({ spec }: Job): Container => spec.template.spec.containers[0];

const settingsOf = (job: Job): Record<string, string> =>
  Object.fromEntries(containerOf(job).env.map(({ name, value }) => [name, value]));

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-job-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Path of a program that replaces the `lossmeter` command of the image. */
const bin = join(folder, 'lossmeter');
writeFileSync(bin, `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'src/cli/bin.js')}" "$@"\n`);
chmodSync(bin, 0o755);

/** Runs the command of a job's container with its settings. @param changes settings to override */
function run(job: Job, changes: Record<string, string>) {
  const {
    command: [shell, ...flags],
    args,
  } = containerOf(job);
  const env = {
    ...environment(),
    PATH: `${folder}${delimiter}${process.env['PATH']}`,
    ...settingsOf(job),
    ...changes,
  };
  const { status, stdout, stderr } = spawnSync(shell, [...flags, ...args], { encoding: 'utf8', env, timeout: 60_000 });
  return { status, stdout, stderr };
}

const FILES = join(folder, 'files of this run');
const PARTIALS = join(folder, 'partials', 'of this run');
writeFiles(FILES, 11);

const SHARDS = 6;

/** Runs the pod of a job index. */
const runIndex = (index: number) =>
  run(jobs.evaluate, { FILES, PARTIALS, SHARDS: String(SHARDS), JOB_COMPLETION_INDEX: String(index) });

test('pods of all indices, in any order and some of them twice, write what the second job combines', () => {
  const indices = shuffled(
    Array.from({ length: SHARDS }, (_, index) => index),
    randomNumbers(5),
  );
  const [last, ...others] = indices as [number, ...number[]];
  for (const index of others) {
    const says = `${PARTIALS}/${index}.json: shard ${index + 1} of ${SHARDS}, ${index === 5 ? 1 : 2} of 11 files\n`;
    expect(runIndex(index)).toEqual({ status: 0, stdout: says, stderr: '' });
  }
  const incomplete = run(jobs.combine, { PARTIALS });
  expect(incomplete).toEqual({ status: 1, stdout: '', stderr: `shard ${last + 1} of ${SHARDS} is missing\n` });
  expect(runIndex(last).status).toBe(0);
  expect(runIndex(others[0]!).status).toBe(0);
  expect(readdirSync(PARTIALS).toSorted()).toEqual(Array.from({ length: SHARDS }, (_, index) => `${index}.json`));
  const whole = lossmeter('evaluate', '--json', FILES);
  expect(whole.status).toBe(0);
  expect(run(jobs.combine, { PARTIALS })).toEqual(whole);
});

test('the shards are as many as the indices', () => {
  const { spec } = jobs.evaluate;
  expect(spec).toMatchObject({ completionMode: 'Indexed', backoffLimitPerIndex: 3 });
  expect(settingsOf(jobs.evaluate)['SHARDS']).toBe(String(spec.completions));
});

describe.each(Object.entries(jobs))('the job %s', (_name, job) => {
  test('is a job whose volumes are those that its container mounts, at the paths of its settings', () => {
    const { spec } = job.spec.template;
    expect([job.apiVersion, job.kind, spec.restartPolicy]).toEqual(['batch/v1', 'Job', 'Never']);
    const mounts = containerOf(job).volumeMounts;
    expect(mounts.map(({ name }) => name)).toEqual(spec.volumes.map(({ name }) => name));
    const { FILES: files, PARTIALS: partials } = settingsOf(job);
    for (const path of [files, partials].filter((one) => one !== undefined)) {
      const isMounted = mounts.some(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`));
      expect(isMounted, path).toBe(true);
    }
    expect(partials).toBeDefined();
  });

  test('runs without rights that it does not need', () => {
    expect(job.spec.template.spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
    expect(containerOf(job).securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });
});

test('both jobs have the same folder of partials', () => {
  expect(settingsOf(jobs.combine)['PARTIALS']).toBe(settingsOf(jobs.evaluate)['PARTIALS']);
});
