/** Most bytes of a description of damage. */
const MOST_DAMAGE_BYTES = 1024;

/** Device and inode of a file. */
export interface FileIdentity {
  device: bigint;
  inode: bigint;
}

/**
 * Facts about the files of a store, in memory that all its threads share. They outlive a thread: its successor must open
 * the same file, and must know of damage that was found before.
 */
export class SharedFacts {
  /** Memory to pass to a thread. */
  readonly buffer: SharedArrayBuffer;
  readonly #identity: BigInt64Array;
  readonly #isLogLost: Int32Array;
  readonly #indexDescriptor: Int32Array;
  readonly #damageBytes: Int32Array;
  readonly #damage: Uint8Array;

  /** @param buffer of another thread; undefined for a store that was never opened */
  constructor(buffer = new SharedArrayBuffer(32 + MOST_DAMAGE_BYTES)) {
    this.buffer = buffer;
    this.#identity = new BigInt64Array(buffer, 0, 2);
    this.#damageBytes = new Int32Array(buffer, 16, 1);
    this.#isLogLost = new Int32Array(buffer, 20, 1);
    this.#indexDescriptor = new Int32Array(buffer, 24, 1);
    this.#damage = new Uint8Array(buffer, 32);
  }

  /** The file that was opened first; undefined before that. */
  get identity(): FileIdentity | undefined {
    const [device, inode] = this.#identity;
    return inode === 0n ? undefined : { device: device!, inode: inode! };
  }

  set identity({ device, inode }: FileIdentity) {
    this.#identity.set([device, inode]);
  }

  /** True from the loss of the log until the log is rescued. */
  get isLogLost(): boolean {
    return Atomics.load(this.#isLogLost, 0) === 1;
  }

  set isLogLost(isLost: boolean) {
    Atomics.store(this.#isLogLost, 0, Number(isLost));
  }

  /** Descriptor of the index of the log, which stays open as long as any connection is open. */
  get indexDescriptor(): number | undefined {
    return Atomics.load(this.#indexDescriptor, 0) || undefined;
  }

  set indexDescriptor(descriptor: number | undefined) {
    Atomics.store(this.#indexDescriptor, 0, descriptor ?? 0);
  }

  /** Marks a history in memory as opened. It has no file whose inode could be 1. */
  static readonly MEMORY: FileIdentity = { device: 0n, inode: 1n };

  /** Description of the damage; undefined while none was found. */
  get damage(): string | undefined {
    const length = Atomics.load(this.#damageBytes, 0);
    return length === 0 ? undefined : Buffer.from(this.#damage.slice(0, length)).toString();
  }

  /** Stores a description of damage. The first description stays. */
  keepDamage(found: string): void {
    if (this.damage !== undefined) return;
    const bytes = Buffer.from(found).subarray(0, MOST_DAMAGE_BYTES);
    this.#damage.set(bytes);
    Atomics.store(this.#damageBytes, 0, bytes.length);
  }
}
