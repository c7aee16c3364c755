/** Faults of the disk and of file locks. The tests need root, to mount file systems and to set attributes of files. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Subject } from './subject.ts';
import { faultNamed } from './table.ts';
import { TIMED } from '../timed.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Mounts a new file system. @returns its folder */
function mount(megabytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'lossmeter-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder]);
  ends.push(() => {
    execFileSync('umount', ['--lazy', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Fills a file system to its last byte. @returns the file that does so */
function fill(folder: string): string {
  const path = join(folder, 'ballast');
  try {
    writeFileSync(path, Buffer.alloc(2 ** 28), { flush: false });
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
  }
  return path;
}

/** Records until the service refuses a recording. */
async function recordUntilRefused(subject: Subject): Promise<void> {
  for (let k = 0; k < 50_000; k += 20) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => subject.record()));
    if (answers.some(({ status }) => status !== 201)) return;
  }
  throw new Error('the disk is not full');
}

const FULL = /the disk is full\. Make space, or delete runs/;

test('disk full', async () => {
  const fault = faultNamed('disk full');
  const folder = mount(24);
  const subject = new Subject(folder);
  await subject.start();
  await subject.recordMany(10);
  const body = (step: number): RequestInit => ({
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ numerator: step, denominator: 1 }),
  });
  for (let step = 0; step < 3000; step += 50) {
    const paths = Array.from({ length: 50 }, (_, k) => `/v1/runs/old/steps/${step + k}/ranks/0`);
    await Promise.all(paths.map((path, k) => subject.request(path, body(step + k))));
  }
  const ballast = fill(folder);
  await recordUntilRefused(subject);
  await subject.expectRefusing(fault, FULL);
  expect(await subject.lost()).toEqual([]);

  // A deletion makes space in the database, although the disk stays full.
  expect(await subject.request('/v1/runs/old', { method: 'DELETE' })).toMatchObject({ status: 204 });
  expect(await subject.request('/v1/runs/old')).toMatchObject({ status: 404 });
  await subject.expectRecovered();
  await recordUntilRefused(subject);
  await subject.expectRefusing(fault, FULL);
  expect(await subject.lost()).toEqual([]);

  rmSync(ballast);
  await subject.expectRecovered();

  // The service also starts on a full disk: with the log that a killed service left, and without a log.
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await subject.end(signal);
    fill(folder);
    await subject.start();
    await subject.expectServing();
    expect(await subject.lost()).toEqual([]);
    rmSync(ballast);
    await subject.expectRecovered();
  }
  expect(await subject.end()).toBe(0);
});

test('store file read-only', async () => {
  const fault = faultNamed('store file read-only');
  const subject = new Subject();
  await subject.start();
  await subject.recordMany(10);
  const files = ['', '-wal'].map((suffix) => subject.store + suffix);
  execFileSync('chattr', ['+i', ...files]);
  ends.push(() => execFileSync('chattr', ['-i', ...files.filter((file) => existsSync(file)), subject.folder]));
  await subject.expectRefusing(fault, /./);
  expect(await subject.lost()).toEqual([]);
  execFileSync('chattr', ['-i', ...files]);
  await subject.expectRecovered();
  expect(await subject.end()).toBe(0);
});

test('store locked by another program', TIMED, async () => {
  const fault = faultNamed('store locked by another program');
  const subject = new Subject();
  await subject.start();
  await subject.recordMany(10);
  const code = `const { DatabaseSync } = require('node:sqlite'); const d = new DatabaseSync(${JSON.stringify(subject.store)});
    d.exec('BEGIN IMMEDIATE'); console.log('locked'); process.stdin.resume(); process.stdin.on('end', () => { d.exec('ROLLBACK'); process.exit(); });`;
  const locker = spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'inherit'] });
  ends.push(() => locker.kill('SIGKILL'));
  await once(locker.stdout, 'data');
  const started = performance.now();
  const refusing = subject.expectRefusing(fault, /locked/);
  const waits: number[] = [];
  const over = new AbortController();
  void refusing.finally(() => over.abort()).catch(() => undefined);
  while (!over.signal.aborted) {
    const before = performance.now();
    expect(await subject.evaluate()).toMatchObject({ status: 200 });
    expect(await subject.lost()).toEqual([]);
    waits.push(performance.now() - before);
  }
  await refusing;
  expect(performance.now() - started).toBeGreaterThan(500);
  const median = waits.toSorted((a, b) => a - b)[waits.length >> 1];
  expect(median, 'a recording that waits for the lock holds up others').toBeLessThan(500);
  locker.stdin.end();
  await once(locker, 'exit');
  await subject.expectRecovered();
  expect(readFileSync(subject.store).length).toBeGreaterThan(0);
});
