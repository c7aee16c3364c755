import { ftruncateSync, openSync, statSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LossmeterError } from '../../errors.ts';
import { MOVE_BACK, STOP_AND_RESTORE } from './advice.ts';
import { explain } from './explain.ts';
import { isFull } from './sqlite-error.ts';
import { LogFile } from './log-file.ts';
import type { SharedFacts } from './shared-facts.ts';

/** Least size of the index of a log. */
const LEAST_INDEX_BYTES = 32_768;

/** Frames of the log that are not copied yet, from which on they are copied. */
const CHECKPOINT_FRAMES = 1000;

/** State of a file. */
interface FileState {
  inode: string;
  size: number;
  /** Milliseconds, with a fraction. */
  modified: number;
}

/** Place in the log, as SQLite has it. */
interface LogState {
  frames: number;
  /** Frames of them that are in the database file too. */
  copied: number;
}

/** The log or its index was removed, or the index was cut. The connection still has all of it: see rescue(). */
export class LogLostError extends LossmeterError {
  constructor() {
    super('store_unavailable', LOG_LOST);
  }
}

/**
 * Finds files of a database that others removed, replaced or overwrote. SQLite itself looks at none of that: it goes on to
 * write into a file that has no name any more.
 *
 * The database file is only written when the log is copied into it: by checkpoint(), or by another process that uses
 * SQLite. Any other change of its size or time of modification is foreign. The log must hold its header and the last frame that SQLite counts; when its time of modification has changed
 * since the last commit here, all its checksums are computed.
 */
export class DatabaseFiles {
  readonly #path: string;
  readonly #state: StatementSync;
  readonly #database: DatabaseSync;
  readonly #log: LogFile;
  readonly #inodes: { main: string; log: string; index: string };
  #main: FileState;
  #index: number | undefined;
  #indexBytes: number;
  #logModified: number;
  #logState: LogState & { salt: bigint | undefined };
  readonly #facts: SharedFacts;
  #isSealed = false;

  /**
   * @param database in WAL mode, which has read or written once
   * @param path of the database file
   */
  constructor(database: DatabaseSync, path: string, facts: SharedFacts) {
    this.#database = database;
    this.#facts = facts;
    this.#path = path;
    this.#state = database.prepare('PRAGMA wal_checkpoint(NOOP)');
    this.#log = new LogFile(`${path}-wal`);
    this.#main = stateOf(path)!;
    const log = stateOf(`${path}-wal`)!;
    this.#logModified = log.modified;
    const index = stateOf(`${path}-shm`)!;
    this.#indexBytes = index.size;
    this.#inodes = { main: this.#main.inode, log: log.inode, index: index.inode };
    database.exec('PRAGMA wal_autocheckpoint = 0');
    this.#logState = this.#readLogState();
  }

  /** True once a file was overwritten: then nothing may be copied from the log any more, not at the end either. */
  get isDamaged(): boolean {
    return this.#facts.damage !== undefined;
  }

  /**
   * Compares the files with what they were: before a change, and from time to time.
   * @throws LossmeterError store_unavailable
   * @throws LogLostError
   */
  verify(): void {
    const log = this.#verifyFiles();
    if (log.modified !== this.#logModified) this.#verifyLog((frames) => this.#log.isWhole(frames));
    else this.#verifyLog((frames) => this.#log.hasFrame(frames));
    this.#logModified = log.modified;
  }

  /** The same with every checksum of the log. */
  verifyAll(): void {
    this.verify();
    this.#verifyLog((frames) => this.#log.isWhole(frames));
  }

  /** Makes sure that a commit is in the files at their paths. Throws as verify does. */
  confirm(): void {
    const log = this.#verifyFiles();
    this.#verifyLog((frames) => this.#log.hasFrame(frames));
    this.#logModified = log.modified;
  }

  /** Refuses all changes from now on, as for a file that was overwritten. @param found what is wrong */
  condemn(found: string): void {
    this.#facts.keepDamage(found);
  }

  /** Copies the log into the file where it has grown long. One that cannot be copied stays, and grows. */
  checkpoint(): void {
    const { frames, copied } = this.#logState;
    if (frames - copied >= CHECKPOINT_FRAMES) this.#copy('PASSIVE');
  }

  /** Copies the log into the file, so that it is written from its beginning next. */
  restartLog(): void {
    this.#copy('RESTART');
  }

  /**
   * Copies a log that has lost its name into the database file, which then has all that was committed. A file that was
   * overwritten, as by a backup that was restored, is left as it is.
   * @throws LossmeterError store_unavailable for such a file, or when another process prevents the copy
   */
  rescue(): void {
    this.#requireIntact();
    const main = stateOf(this.#path);
    if (main?.inode === this.#inodes.main && !isUnchanged(main, this.#main)) this.#fail('its file');
    this.#copyAll();
  }

  #copyAll(): void {
    const { busy, log, checkpointed } = this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as {
      busy: number;
      log: number;
      checkpointed: number;
    };
    if (busy !== 0 || log !== checkpointed) throw new LogLostError();
  }

  close(): void {
    this.#log.close();
  }

  /** @returns the log */
  #verifyFiles(): FileState {
    this.#requireIntact();
    const main = stateOf(this.#path);
    if (main?.inode !== this.#inodes.main) {
      this.#seal();
      throw unavailable(REMOVED);
    }
    const index = stateOf(`${this.#path}-shm`);
    const log = stateOf(`${this.#path}-wal`);
    if (index?.inode !== this.#inodes.index || log?.inode !== this.#inodes.log) throw new LogLostError();
    if (index.size < this.#indexBytes) {
      // SQLite has it mapped: touching what was cut ends the process with SIGBUS. Zeros have SQLite make it anew.
      // Through a descriptor that stays open: to close one drops all locks of the process on the file.
      this.#index ??= this.#facts.indexDescriptor ?? openSync(`${this.#path}-shm`, 'r+');
      ftruncateSync(this.#index, this.#indexBytes);
      throw new LogLostError();
    }
    this.#indexBytes = index.size;
    this.#verifyMain(main);
    return log;
  }

  #copy(mode: 'PASSIVE' | 'RESTART'): void {
    try {
      this.#database.exec(`PRAGMA wal_checkpoint(${mode})`);
    } catch (error) {
      if (!isFull(error)) throw explain(error);
    } finally {
      // A copy that failed has written too.
      this.#main = stateOf(this.#path) ?? this.#main;
      this.#logState = this.#readLogState();
    }
  }

  #verifyMain(main: FileState): void {
    if (this.#isSealed) this.#unseal(main);
    if (isUnchanged(main, this.#main)) return;
    const { copied, salt } = this.#logState;
    const now = this.#readLogState();
    // Nothing of the log has been copied since, so it was not SQLite.
    if (now.copied === copied && now.salt === salt) this.#fail('its file');
    this.#main = main;
    this.#logState = now;
  }

  #verifyLog(isIntact: (frames: number) => boolean): void {
    for (let now = this.#readLogState(); ;) {
      // What has been copied is not read from the log again.
      if (now.frames === now.copied || isIntact(now.frames)) {
        this.#logState = now;
        return;
      }
      const again = this.#readLogState();
      // Another process may just have begun the log anew.
      if (again.frames === now.frames && again.copied === now.copied) this.#fail('its log');
      now = again;
    }
  }

  #readLogState(): LogState & { salt: bigint | undefined } {
    const { log: frames, checkpointed: copied } = this.#state.get() as { log: number; checkpointed: number };
    return { frames, copied, salt: this.#log.salt() };
  }

  /**
   * Copies the log into the file that was moved away, which is then whole, and leaves an empty one: SQLite would apply it to
   * whatever file is put in the place of the old one.
   */
  #seal(): void {
    if (this.#isSealed || stateOf(`${this.#path}-wal`)?.inode !== this.#inodes.log) return;
    this.#isSealed = true;
    try {
      this.#copyAll();
    } catch {
      // It is read by another process: that one has it.
    }
  }

  /** The file is back, with the log in it. */
  #unseal(main: FileState): void {
    this.#isSealed = false;
    this.#main = main;
    this.#logState = this.#readLogState();
  }

  #fail(what: string): void {
    this.#facts.keepDamage(`${what} was overwritten by another program`);
    this.#requireIntact();
  }

  #requireIntact(): void {
    const { damage } = this.#facts;
    if (damage !== undefined) throw unavailable(`the history cannot be written: ${damage}. ${STOP_AND_RESTORE}`);
  }
}

const REMOVED = `the history cannot be written: its file was moved, removed or replaced. ${MOVE_BACK}`;

const LOG_LOST =
  'the history cannot be written: its log was removed, and another program keeps the service from making a new one. End that program';

function unavailable(detail: string): LossmeterError {
  return new LossmeterError('store_unavailable', detail);
}

function stateOf(path: string): FileState | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && { inode: `${stats.dev}:${stats.ino}`, size: stats.size, modified: stats.mtimeMs };
}

function isUnchanged(now: FileState, before: FileState): boolean {
  return now.size === before.size && now.modified === before.modified;
}

/**
 * Makes sure that the index of a log can be read: SQLite has it mapped, and touching what was cut ends the process.
 * @param path of the database file
 * @throws LogLostError
 */
export function requireIndex(path: string): void {
  const index = stateOf(`${path}-shm`);
  if (index === undefined || index.size < LEAST_INDEX_BYTES) throw new LogLostError();
}
