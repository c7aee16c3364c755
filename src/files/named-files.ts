import { LossmeterError, refuse } from '../errors.ts';
import { placeIn, showValue } from '../suggestion.ts';
import { DataDirectory } from './data-directory.ts';
import type { NamedFile } from './find-files.ts';
import { LogitFile } from './logit-file.ts';
import type { NamePlace } from './name-place.ts';
import { isObjectName } from './objects/object-name.ts';
import { ObjectStorage } from './objects/object-storage.ts';
import type { FileOpener } from './readable-file.ts';
import { SafetensorsFile } from './safetensors-file.ts';

export interface NamedFilesOptions {
  /** Folder of local files; without it requests may not name local files. */
  dataDir?: string | undefined;
  /** Buckets of object storage, separated by commas; without them requests may not name objects. */
  s3Buckets?: string | undefined;
  s3PathStyle: boolean;
  stallSeconds: number;
  /** Maximum length of the JSON header of a safetensors file. */
  maxJsonBytes: number;
}

/** Files that requests may name: files of the data directory, and objects of the allowed buckets. */
export class NamedFiles {
  readonly #directory: DataDirectory | undefined;
  /** Undefined when requests may not name objects. */
  readonly storage: ObjectStorage | undefined;
  readonly #maxHeaderBytes: number;

  constructor({ dataDir, s3Buckets, s3PathStyle, stallSeconds, maxJsonBytes }: NamedFilesOptions) {
    this.#directory = dataDir === undefined ? undefined : new DataDirectory(dataDir);
    const buckets = s3Buckets?.split(',').map((name) => name.trim());
    this.storage = buckets && new ObjectStorage({ buckets, s3PathStyle, stallSeconds });
    this.#maxHeaderBytes = maxJsonBytes;
  }

  /** Resolves when files can be opened. @throws Error for a missing folder, or for an unknown region */
  async ready(): Promise<void> {
    await Promise.all([this.#directory?.requireFolder(), this.storage?.ready()]);
  }

  /**
   * Opens a safetensors file.
   * @param field field of the request that names it
   * @throws LossmeterError local_data_off, object_storage_off, file_forbidden, and errors of SafetensorsFile.open
   */
  open(field: string, name: string): Promise<SafetensorsFile> {
    const place: NamePlace = { field, key: 'file', example: 'step-100.safetensors' };
    return this.#open(place, name, (opener) => SafetensorsFile.open(opener, this.#maxHeaderBytes));
  }

  /**
   * Opens a llama.cpp logit file.
   * @param field field of the request that names it
   * @throws LossmeterError local_data_off, object_storage_off, file_forbidden, and errors of LogitFile.open
   */
  openLogitFile(field: string, name: string): Promise<LogitFile> {
    const place: NamePlace = { field, key: 'kld_file', example: 'base.kld' };
    return this.#open(place, name, (opener) => LogitFile.open(opener));
  }

  /**
   * Finds files by their names, by folders and by patterns, sorted by name (code units), each once.
   * @param most maximum number of files
   * @throws LossmeterError local_data_off, object_storage_off, file_forbidden, file_unreadable, invalid_option
   */
  async find(field: string, names: readonly string[], most: number): Promise<NamedFile[]> {
    const found = new Map<string, NamedFile>();
    for (const [index, name] of names.entries()) {
      const place: NamePlace = { field, key: String(index), example: 'step-100/*.safetensors' };
      for (const file of await this.#find(place, name, most)) found.set(file.name, file);
      if (found.size > most) {
        const detail = `the names match more than ${most} files, the maximum of a job: divide the job`;
        throw new LossmeterError('invalid_option', detail);
      }
    }
    return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #find(place: NamePlace, name: string, most: number): Promise<NamedFile[]> {
    if (!isObjectName(name)) {
      if (this.#directory === undefined) throw localDataOff(place);
      return this.#directory.find(place, name, most);
    }
    if (this.storage === undefined) throw objectStorageOff(place);
    const objects = await this.storage.find(name);
    if (objects.length > 0) return objects.map(({ path, bytes }) => ({ name: path, bytes }));
    throw new LossmeterError('file_unreadable', `${showValue(name)}: no object has this name or matches it`);
  }

  /** Closes idle connections to the object storage. */
  async close(): Promise<void> {
    await this.storage?.close();
  }

  async #open<F>(place: NamePlace, name: string, open: (opener: FileOpener) => Promise<F>): Promise<F> {
    try {
      return await open(this.#opener(place, name));
    } catch (error) {
      throw atFile(place, error);
    }
  }

  #opener(place: NamePlace, name: string): FileOpener {
    if (isObjectName(name)) {
      if (this.storage === undefined) throw objectStorageOff(place);
      return this.storage.opener(name, showValue(name));
    }
    if (this.#directory === undefined) throw localDataOff(place);
    return this.#directory.opener(place, name);
  }
}

function localDataOff({ field, key }: NamePlace): LossmeterError {
  const otherwise = key === 'file' ? ', or send the tensor' : '';
  const detail = `${field} names a file, and this service reads no local files: start it with LOSSMETER_DATA_DIR set to the folder that holds them${otherwise}`;
  return refuse('local_data_off', placeIn(field, key), detail);
}

function objectStorageOff({ field, key }: NamePlace): LossmeterError {
  const detail = `${field} names an object, and this service reads no object storage: start it with LOSSMETER_S3_BUCKETS set to the buckets that may be named`;
  return refuse('object_storage_off', placeIn(field, key), detail);
}

/** Adds the place of the file's name to an error about the file; returns other errors unchanged. */
function atFile({ field, key }: NamePlace, error: unknown): unknown {
  if (!(error instanceof LossmeterError) || error.places.length > 0) return error;
  if (error.status !== 422 && error.code !== 'file_forbidden') return error;
  const { code, message } = error;
  return new LossmeterError(code, message, [{ pointer: placeIn(field, key), detail: message }], { cause: error });
}
