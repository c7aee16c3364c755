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

/** Number of frames in the log, not yet in the database file, that makes a checkpoint worthwhile. */
const CHECKPOINT_FRAMES = 1000;

/** State of a file. */
interface FileState {
  inode: string;
  size: number;
  /** Milliseconds, with a fraction. */
  modified: number;
}

/** Counts of frames in the log, as SQLite reports them. */
interface LogState {
  frames: number;
  /** Frames that are in the database file, too. */
  copied: number;
}

/** Error for a removed log, or a removed or shortened index. The open connection still has the whole log: see rescue(). */
export class LogLostError extends LossmeterError {
  constructor() {
    super('store_unavailable', LOG_LOST);
  }
}

/**
 * Detects database files that another program removed, replaced or overwrote. SQLite does not: it continues to write into
 * a file that has lost its name.
 *
 * The database file is written only when the log is copied into it: by checkpoint(), or by another process that uses
 * SQLite. Any other change of its size or time of modification is foreign. The log must have its header and the last frame
 * that SQLite counts. All its checksums are computed when its time of modification has changed since the last commit here.
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

  /** True once a file was overwritten: the log must not be copied into the file any more, even at the end. */
  get isDamaged(): boolean {
    return this.#facts.damage !== undefined;
  }

  /**
   * Compares the files with their last known state: before a change, and from time to time.
   * @throws LossmeterError store_unavailable
   * @throws LogLostError
   */
  verify(): void {
    const log = this.#verifyFiles();
    if (log.modified !== this.#logModified) this.#verifyLog((frames) => this.#log.isWhole(frames));
    else this.#verifyLog((frames) => this.#log.hasFrame(frames));
    this.#logModified = log.modified;
  }

  /** Compares the files as verify() does, and computes every checksum of the log. */
  verifyAll(): void {
    this.verify();
    this.#verifyLog((frames) => this.#log.isWhole(frames));
  }

  /** Ensures that a commit is in the files at their paths. Throws the same errors as verify(). */
  confirm(): void {
    const log = this.#verifyFiles();
    this.#verifyLog((frames) => this.#log.hasFrame(frames));
    this.#logModified = log.modified;
  }

  /**
   * Rejects all later changes, as for a file that was overwritten.
   * @param found description of the damage
   */
  condemn(found: string): void {
    this.#facts.keepDamage(found);
  }

  /** Copies the log into the file when the log is long. A log that cannot be copied stays and grows. */
  checkpoint(): void {
    const { frames, copied } = this.#logState;
    if (frames - copied >= CHECKPOINT_FRAMES) this.#copy('PASSIVE');
  }

  /** Copies the log into the file, so that the next commit writes the log from its beginning. */
  restartLog(): void {
    this.#copy('RESTART');
  }

  /**
   * Copies a log that lost its name into the database file, which then has all commits. Does not change an overwritten
   * file, such as a restored backup.
   * @throws LossmeterError store_unavailable for an overwritten file, or when another process prevents the copy
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
      // SQLite has the index mapped: access to a missing page ends the process with SIGBUS. SQLite rebuilds an index of
      // zeros.
      // Uses a descriptor that stays open, because closing one drops all locks of the process on the file.
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
      // A failed copy may have written to the file.
      this.#main = stateOf(this.#path) ?? this.#main;
      this.#logState = this.#readLogState();
    }
  }

  #verifyMain(main: FileState): void {
    if (this.#isSealed) this.#unseal(main);
    if (isUnchanged(main, this.#main)) return;
    const { copied, salt } = this.#logState;
    const now = this.#readLogState();
    // SQLite has copied no frame since then, so another program wrote to the file.
    if (now.copied === copied && now.salt === salt) this.#fail('its file');
    this.#main = main;
    this.#logState = now;
  }

  #verifyLog(isIntact: (frames: number) => boolean): void {
    for (let now = this.#readLogState(); ;) {
      // SQLite does not read copied frames from the log again.
      if (now.frames === now.copied || isIntact(now.frames)) {
        this.#logState = now;
        return;
      }
      const again = this.#readLogState();
      // Another process may just have restarted the log.
      if (again.frames === now.frames && again.copied === now.copied) this.#fail('its log');
      now = again;
    }
  }

  #readLogState(): LogState & { salt: bigint | undefined } {
    const { log: frames, checkpointed: copied } = this.#state.get() as { log: number; checkpointed: number };
    return { frames, copied, salt: this.#log.salt() };
  }

  /**
   * Copies the log into the file that was moved away, and empties the log. The moved file then has all commits, and SQLite
   * cannot apply the log to another file at the same path.
   */
  #seal(): void {
    if (this.#isSealed || stateOf(`${this.#path}-wal`)?.inode !== this.#inodes.log) return;
    this.#isSealed = true;
    try {
      this.#copyAll();
    } catch {
      // Another process reads the log, so SQLite does not empty it.
    }
  }

  /** Accepts the file that was moved back: it contains the commits of the log. */
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
 * Ensures that the index of a log can be read: SQLite has it mapped, and access to a missing page ends the process.
 * @param path of the database file
 * @throws LogLostError
 */
export function requireIndex(path: string): void {
  const index = stateOf(`${path}-shm`);
  if (index === undefined || index.size < LEAST_INDEX_BYTES) throw new LogLostError();
}
