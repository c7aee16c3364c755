import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { DatabaseFiles, LogLostError } from '../../../src/runs/sqlite/integrity.ts';
import { SharedFacts } from '../../../src/runs/sqlite/shared-facts.ts';
import { TIMED } from '../../timed.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-integrity-'));
afterAll(() => rmSync(folder, { recursive: true }));

let [path, count] = ['', 0];
let database: DatabaseSync;
let files: DatabaseFiles;
beforeEach(() => {
  path = join(folder, `${count++}.db`);
  database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t (x, text)');
  files = new DatabaseFiles(database, path, new SharedFacts());
});

/** Commits a row, as the store does. */
function commit(): void {
  files.verify();
  database.prepare('INSERT INTO t VALUES (1, ?)').run('x'.repeat(2000));
  files.confirm();
  files.checkpoint();
}

function commitMany(times: number): void {
  for (let k = 0; k < times; k++) commit();
}

/** Overwrites bytes of a file, after a tick of the file system's clock. */
async function overwrite(file: string, position: number, bytes: Uint8Array): Promise<void> {
  await sleep(20);
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, bytes, 0, bytes.length, position);
  closeSync(descriptor);
}

/** Runs a statement in another process. @returns its rows as JSON */
function foreign(sql: string): string {
  const code = `const { DatabaseSync } = require('node:sqlite'); const d = new DatabaseSync(${JSON.stringify(path)});
    console.log(JSON.stringify(d.prepare(${JSON.stringify(sql)}).all()))`;
  return execFileSync(process.execPath, ['-e', code]).toString();
}

const countOf = (at: string): unknown => {
  const other = new DatabaseSync(at);
  const { n } = other.prepare('SELECT count(*) AS n FROM t').get() as { n: number };
  other.close();
  return n;
};

describe('commits and checkpoints of SQLite are no fault:', () => {
  test('thousands of commits, with checkpoints in between', () => {
    commitMany(3000);
    files.verifyAll();
    expect(statSync(path).size).toBeGreaterThan(2 ** 22);
  });

  test('a commit and a checkpoint of another process', async () => {
    commitMany(10);
    await sleep(20);
    foreign("INSERT INTO t VALUES (2, 'foreign')");
    commit();
    await sleep(20);
    foreign('PRAGMA wal_checkpoint(TRUNCATE)');
    files.verify();
    commitMany(10);
    expect(() => files.verifyAll()).not.toThrow();
  });

  test('VACUUM by another process', async () => {
    commitMany(10);
    await sleep(20);
    foreign('VACUUM');
    commitMany(10);
    foreign('PRAGMA wal_checkpoint(RESTART)');
    commitMany(10);
    expect(() => files.verifyAll()).not.toThrow();
  });

  test('a log whose time of modification was changed', () => {
    commitMany(10);
    utimesSync(`${path}-wal`, 1, 1);
    expect(() => commitMany(2)).not.toThrow();
  });
});

describe('the database file', () => {
  const removed = /was moved, removed or replaced. Move the same file back, or restart the service/;

  test('that was removed is noticed before a change and after it', () => {
    commitMany(3);
    rmSync(path);
    expect(() => files.verify()).toThrow(removed);
    expect(() => files.confirm()).toThrow(removed);
  });

  test('that was moved away has all that was committed, and is written again when it is back', () => {
    commitMany(3);
    renameSync(path, `${path}.away`);
    expect(() => files.verify()).toThrow(removed);
    // The copy has no log.
    copyFileSync(`${path}.away`, `${path}.copy`);
    expect(countOf(`${path}.copy`)).toBe(3);
    renameSync(`${path}.away`, path);
    commitMany(3);
    expect(countOf(path)).toBe(6);
  });

  test('that was replaced by another is left alone, and no log is left to be applied to it', () => {
    commitMany(3);
    const other = new DatabaseSync(`${path}.other`);
    other.exec('CREATE TABLE other (x)');
    other.close();
    const bytes = readFileSync(`${path}.other`);
    renameSync(`${path}.other`, path);
    expect(() => files.verify()).toThrow(removed);
    expect(statSync(`${path}-wal`).size).toBe(0);
    database.close();
    expect(readFileSync(path)).toEqual(bytes);
  });

  test.each([
    ['was emptied', async () => truncateSync(path)],
    ['was overwritten by a copy', async () => writeFileSync(path, readFileSync(path))],
    ['was overwritten in the middle', () => overwrite(path, 4096, Buffer.alloc(100))],
    ['was appended to', async () => appendFileSync(path, 'x')],
  ])('that %s is noticed', async (_, act) => {
    commitMany(3);
    await sleep(20);
    await act();
    const overwritten = /its file was overwritten by another program. Stop the service. Restore the file/;
    expect(() => files.verify()).toThrow(overwritten);
    // The error persists, whatever the file contains.
    expect(() => files.confirm()).toThrow(overwritten);
    expect(files.isDamaged).toBe(true);
  });
});

describe('the log', () => {
  test.each([
    ['log', '-wal'],
    ['index', '-shm'],
  ])('whose %s was removed is rescued: nothing is lost', (_, suffix) => {
    commitMany(5);
    rmSync(path + suffix);
    expect(() => files.verify()).toThrow(LogLostError);
    files.rescue();
    files.close();
    database.close();
    expect(countOf(path)).toBe(5);
  });

  const overwritten = /its log was overwritten by another program/;

  test.each([
    ['was emptied', async () => truncateSync(`${path}-wal`)],
    ['was cut', async () => truncateSync(`${path}-wal`, statSync(`${path}-wal`).size - 1)],
    ['was filled with something else', async () => writeFileSync(`${path}-wal`, Buffer.alloc(300_000, 'x'))],
    ['has another header', () => overwrite(`${path}-wal`, 16, Buffer.from('salted'))],
    ['was overwritten in the middle', () => overwrite(`${path}-wal`, 3 * 4120 + 100, Buffer.from('x'))],
    ['was overwritten at its end', () => overwrite(`${path}-wal`, statSync(`${path}-wal`).size - 1, Buffer.from('y'))],
  ])('that %s is noticed', async (_, act) => {
    commitMany(10);
    await act();
    expect(() => files.verify()).toThrow(overwritten);
    expect(files.isDamaged).toBe(true);
  });

  test('that was removed after the file was overwritten is not copied into it', async () => {
    commitMany(5);
    const backup = readFileSync(path);
    await sleep(20);
    writeFileSync(path, backup);
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix);
    expect(() => files.verify()).toThrow(LogLostError);
    expect(() => files.rescue()).toThrow(/its file was overwritten by another program. Stop the service/);
    expect(readFileSync(path).equals(backup)).toBe(true);
    expect(files.isDamaged).toBe(true);
  });

  test.runIf(process.platform === 'linux')('whose index was cut keeps the locks of the process on it', () => {
    commitMany(5);
    const { ino } = statSync(`${path}-shm`);
    const locks = (): number =>
      readFileSync('/proc/locks', 'utf8')
        .split('\n')
        .filter((line) => line.includes(`:${ino} `)).length;
    const before = locks();
    expect(before).toBeGreaterThan(0);
    // Another process truncates: closing a descriptor in this process would drop the locks.
    execFileSync(process.execPath, ['-e', `fs.truncateSync(${JSON.stringify(`${path}-shm`)})`]);
    expect(() => files.verify()).toThrow(LogLostError);
    expect(statSync(`${path}-shm`).size).toBeGreaterThan(0);
    expect(locks()).toBe(before);
  });

  test('whose index was cut is rescued, before SQLite looks at it', () => {
    commitMany(5);
    truncateSync(`${path}-shm`);
    expect(() => files.verify()).toThrow(LogLostError);
    files.rescue();
    database.close();
    expect(countOf(path)).toBe(5);
  });
});

test('verifying and confirming a commit take less than 0.2 ms at the median', TIMED, () => {
  commitMany(100);
  const times = Array.from({ length: 501 }, () => {
    const started = performance.now();
    files.verify();
    files.confirm();
    return performance.now() - started;
  });
  expect(times.toSorted((a, b) => a - b)[250]).toBeLessThan(0.2);
});
