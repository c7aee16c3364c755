/** Faults of the files of the store. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Subject } from './subject.ts';
import { faultNamed } from './table.ts';
import type { Fault } from './table.ts';

const REMOVED = /its file was moved, removed or replaced\. Move the same file back, or restart the service/;
const OVERWRITTEN = /by another program\. Stop the service\. Restore the file from a backup/;

/** Starts a service, and makes some acknowledged recordings. */
async function started(): Promise<Subject> {
  const subject = new Subject();
  await subject.start();
  await subject.recordMany(10);
  return subject;
}

/** Copies all committed data, as docs/operations.md describes. */
function backUp({ store }: Subject, to: string): void {
  const database = new DatabaseSync(store);
  database.exec(`VACUUM INTO '${to}'`);
  database.close();
}

test('store file moved away', async () => {
  const fault = faultNamed('store file moved away');
  const subject = await started();
  renameSync(subject.store, `${subject.store}.away`);
  await subject.expectRefusing(fault, REMOVED);
  expect(await subject.lost()).toEqual([]);
  expect(existsSync(subject.store)).toBe(false);
  renameSync(`${subject.store}.away`, subject.store);
  await subject.expectRecovered();
  expect(await subject.end()).toBe(0);
  await subject.start();
  await subject.expectRecovered();
});

test('store file replaced', async () => {
  const fault = faultNamed('store file replaced');
  const subject = await started();
  backUp(subject, `${subject.store}.backup`);
  const bytes = readFileSync(`${subject.store}.backup`);
  renameSync(`${subject.store}.backup`, subject.store);
  await subject.expectRefusing(fault, REMOVED);
  expect(await subject.lost()).toEqual([]);
  expect(await subject.end()).toBe(0);
  expect(readFileSync(subject.store)).toEqual(bytes);
  await subject.start();
  await subject.expectRecovered();
});

test('store file removed', async () => {
  const fault = faultNamed('store file removed');
  const subject = await started();
  rmSync(subject.store);
  await subject.expectRefusing(fault, REMOVED);
  // The service still has all recordings, and an export can save them.
  expect(await subject.lost()).toEqual([]);
  expect(await subject.end()).toBe(0);
  expect(existsSync(subject.store)).toBe(false);
  subject.forget();
  await subject.start();
  await subject.expectRecovered();
});

test('log removed, or its index cut', async () => {
  const subject = await started();
  for (const suffixes of [['-wal'], ['-shm'], ['-wal', '-shm']]) {
    for (const suffix of suffixes) rmSync(subject.store + suffix);
    await subject.recordMany(5);
    expect(existsSync(`${subject.store}-wal`)).toBe(true);
    await subject.expectRecovered();
  }
  truncateSync(`${subject.store}-shm`);
  await subject.expectRecovered();
  await subject.end('SIGKILL');
  await subject.start();
  await subject.expectRecovered();
});

/** Expects that recordings are refused and files stay unchanged, until the history is restored as the message describes. */
async function expectRestorable(fault: Fault, subject: Subject, overwrite: () => void): Promise<void> {
  backUp(subject, `${subject.store}.backup`);
  await sleep(20);
  overwrite();
  const after = readFileSync(subject.store);
  await subject.expectRefusing(fault, OVERWRITTEN);
  expect(await subject.end()).toBe(0);
  expect(readFileSync(subject.store).equals(after), 'the file was written').toBe(true);
  for (const suffix of ['-wal', '-shm']) rmSync(subject.store + suffix, { force: true });
  copyFileSync(`${subject.store}.backup`, subject.store);
  await subject.start();
  await subject.expectRecovered();
}

test('store file overwritten', async () => {
  expect.hasAssertions();
  const fault = faultNamed('store file overwritten');
  const ways = [
    ({ store }: Subject) => truncateSync(store),
    ({ store }: Subject) => writeFileSync(store, 'this is no database'.repeat(1000)),
    ({ store }: Subject) => writeFileSync(store, readFileSync(`${store}.backup`)),
  ];
  for (const way of ways) {
    const subject = await started();
    await expectRestorable(fault, subject, () => way(subject));
  }
});

test('store file overwritten, then stopped at once', async () => {
  const fault = faultNamed('store file overwritten, then stopped at once');
  const subject = await started();
  const { store } = subject;
  backUp(subject, `${store}.backup`);
  const bytes = readFileSync(`${store}.backup`);
  await subject.recordMany(5);
  await sleep(20);
  writeFileSync(store, bytes);
  expect(await subject.end()).toBe(fault.exitCode);
  expect(readFileSync(store).equals(bytes), 'the file was written').toBe(true);
  for (const suffix of ['-wal', '-shm']) rmSync(store + suffix, { force: true });
  subject.forget();
  await subject.start();
  await subject.expectRecovered();
  const run = (await (await fetch(`${subject.service.url}/v1/runs/r/export?format=jsonl&of=steps`)).text()).split('\n');
  expect(run.filter((line) => /"step":[0-9],/.test(line))).toHaveLength(10);
});

test('log overwritten', async () => {
  expect.hasAssertions();
  const fault = faultNamed('log overwritten');
  const ways = [
    ({ store }: Subject) => truncateSync(`${store}-wal`),
    ({ store }: Subject) => writeFileSync(`${store}-wal`, Buffer.alloc(statSync(`${store}-wal`).size, 'x')),
  ];
  for (const way of ways) {
    const subject = await started();
    await expectRestorable(fault, subject, () => way(subject));
  }
});

test('store file corrupted at start', async () => {
  const fault = faultNamed('store file corrupted at start');
  const subject = await started();
  await subject.recordMany(300);
  expect(await subject.end()).toBe(0);
  const whole = readFileSync(subject.store);
  const corrupted = [
    Buffer.alloc(20_000, 'x'),
    whole.subarray(0, 5000),
    Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(whole.length - 4096)]),
    Buffer.concat([whole.subarray(0, 100), Buffer.alloc(100, 0xff), whole.subarray(200)]),
  ];
  for (const bytes of corrupted) {
    writeFileSync(subject.store, bytes);
    const { output, exitCode } = await subject.startFails();
    expect(exitCode).toBe(fault.exitCode);
    expect(output).toContain(`LOSSMETER_STORE is ${subject.store}`);
    expect(output).toMatch(
      /Restore the file from a backup and remove its -wal and -shm files, or move all three away/i,
    );
    expect(output).not.toMatch(/^\s+at /m);
    expect(readFileSync(subject.store).equals(bytes), 'the file was written').toBe(true);
  }
  writeFileSync(subject.store, whole);
  await subject.start();
  await subject.expectRecovered();
});

test('store file read-only at start', async () => {
  const fault = faultNamed('store file read-only at start');
  const nobody = { uid: 65534, gid: 65534 };
  const subject = await started();
  expect(await subject.end()).toBe(0);
  chownSync(subject.folder, nobody.uid, nobody.gid);
  chownSync(subject.store, nobody.uid, nobody.gid);
  const modes = [
    [0o755, 0o444],
    [0o555, 0o644],
    [0o555, 0o444],
  ] as const;
  for (const [folder, file] of modes) {
    chmodSync(subject.store, file);
    chmodSync(subject.folder, folder);
    const { output, exitCode } = await subject.startFails(nobody);
    expect(exitCode).toBe(fault.exitCode);
    expect(output).toContain(`LOSSMETER_STORE is ${subject.store}`);
    expect(output).toMatch(/must be writable/);
    expect(output).not.toMatch(/^\s+at /m);
  }
  chmodSync(subject.folder, 0o755);
  chmodSync(subject.store, 0o644);
  await subject.start({}, nobody);
  await subject.expectRecovered();
});
