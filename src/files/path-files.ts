import { ObjectStorage } from './objects/object-storage.ts';
import { isObjectName } from './objects/object-name.ts';
import type { S3Options } from './objects/s3-client.ts';
import { localOpener } from './open-file.ts';
import type { FileOpener } from './readable-file.ts';
import { SafetensorsFile } from './safetensors-file.ts';

/** Files that the command line names: any path, and objects of any bucket, within the permissions of the user. */
export class PathFiles {
  readonly storage: ObjectStorage;
  readonly #maxHeaderBytes: number;

  /** @param options.maxJsonBytes maximum length of the header of a safetensors file */
  constructor({ s3PathStyle, stallSeconds, maxJsonBytes }: S3Options & { maxJsonBytes: number }) {
    this.#maxHeaderBytes = maxJsonBytes;
    this.storage = new ObjectStorage({ s3PathStyle, stallSeconds, buckets: 'any' });
  }

  opener(path: string): FileOpener {
    return isObjectName(path) ? this.storage.opener(path, path) : localOpener(path, { name: path });
  }

  /** Opens a safetensors file. @throws LossmeterError */
  open(path: string): Promise<SafetensorsFile> {
    return SafetensorsFile.open(this.opener(path), this.#maxHeaderBytes);
  }
}
