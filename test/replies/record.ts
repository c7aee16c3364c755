/** Records the replies of services, and compares them with the OpenAPI document. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readDocument } from '../openapi-document.ts';
import { Recordings } from './recordings.ts';
import type { Reply } from './recordings.ts';
import { ReplyCheck } from './reply-check.ts';
import type { Document } from './reply-check.ts';

const RECORDER = fileURLToPath(new URL('./recorder.cjs', import.meta.url));

/** Greatest number of faults in a report. */
const MOST_FAULTS = 20;

/** Check with the compiled schemas of the document, created once per process. */
let check: ReplyCheck | undefined;

/** A folder of recorded replies. */
export class RecordedReplies {
  readonly #folder = mkdtempSync(join(tmpdir(), 'lossmeter-replies-'));
  readonly #recordings = new Recordings(this.#folder);
  #count = 0;

  constructor() {
    // A service may run as another user, who must write here.
    chmodSync(this.#folder, 0o777);
  }

  /** Number of replies compared so far. */
  get count(): number {
    return this.#count;
  }

  /** Environment variables that make a Node.js process record its replies. */
  get environment(): { RECORDED_REPLIES: string; NODE_OPTIONS: string } {
    const options = process.env['NODE_OPTIONS'] ?? '';
    const preload = `--require=${JSON.stringify(RECORDER)}`;
    return {
      RECORDED_REPLIES: this.#folder,
      NODE_OPTIONS: options.includes(preload) ? options : `${options} ${preload}`.trim(),
    };
  }

  /** Records the replies of this process, and of all processes that it starts. */
  recordHere(): void {
    Object.assign(process.env, this.environment);
    createRequire(import.meta.url)(RECORDER);
  }

  /** Compares the replies since the last call with the document. @throws Error that lists the differences */
  compare(): void {
    this.#compare(this.#recordings.ended());
  }

  /** Compares the remaining replies, including unfinished ones, and removes the folder. */
  end(): void {
    try {
      this.#compare([...this.#recordings.ended(), ...this.#recordings.unfinished()]);
    } finally {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  #compare(replies: Iterable<Reply>): void {
    const faults = new Set<string>();
    for (const reply of replies) {
      check ??= new ReplyCheck(readDocument() as Document);
      this.#count++;
      for (const fault of check.faults(reply)) faults.add(fault);
    }
    if (faults.size === 0) return;
    const named = [...faults].slice(0, MOST_FAULTS);
    if (faults.size > named.length) named.push(`and ${faults.size - named.length} more`);
    throw new Error(`replies differ from openapi/openapi.json:\n${named.join('\n')}`);
  }
}
