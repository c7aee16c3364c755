import type { FileTensor } from '../tensor/file-tensor.ts';
import type { LogitFileRows } from '../tensor/logit-file-rows.ts';
import type { FileReference } from '../wire/tensors/file-reference.ts';
import type { LogitFile } from './logit-file.ts';
import type { NamedFiles } from './named-files.ts';
import type { SafetensorsFile } from './safetensors-file.ts';

/** Files of one request, each opened once. */
export class RequestFiles {
  readonly #files: NamedFiles;
  readonly #opened = new Map<string, Promise<SafetensorsFile>>();
  /** A request names at most one. */
  #logitFile: Promise<LogitFile> | undefined;

  constructor(files: NamedFiles) {
    this.#files = files;
  }

  /** True when the request has named a file. */
  get areUsed(): boolean {
    return this.#opening.length > 0;
  }

  async open(field: string, { file, tensor }: FileReference): Promise<FileTensor> {
    const known = this.#opened.get(file);
    const opening = known ?? this.#files.open(field, file);
    this.#opened.set(file, opening);
    return (await opening).tensor(field, tensor);
  }

  async openLogitFile(field: string, name: string): Promise<LogitFileRows> {
    this.#logitFile = this.#files.openLogitFile(field, name);
    return (await this.#logitFile).rows(field);
  }

  get #opening(): readonly Promise<SafetensorsFile | LogitFile>[] {
    return [...this.#opened.values(), ...(this.#logitFile === undefined ? [] : [this.#logitFile])];
  }

  /** @throws LossmeterError file_changed when a file was changed since it was opened */
  async requireUnchanged(): Promise<void> {
    for (const opening of this.#opening) await (await opening).requireUnchanged();
  }

  /** Makes pending reads fail if they can wait for a network. */
  async cancelReads(): Promise<void> {
    const opened = await Promise.allSettled(this.#opening);
    for (const one of opened) if (one.status === 'fulfilled') one.value.cancelReads();
  }

  /** Closes the files. No read may be in progress. */
  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#opening);
    const files = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const closed = await Promise.allSettled(files.map((file) => file.close()));
    const failed = closed.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
