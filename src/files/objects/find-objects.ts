import { posix } from 'node:path';
import { formatObjectName } from './object-name.ts';
import type { ObjectName } from './object-name.ts';
import type { S3 } from './s3-client.ts';
import { explainStorageError } from './storage-error.ts';
import { showValue } from '../../suggestion.ts';
import { SAFETENSORS } from '../safetensors-file.ts';

/** Characters with a special meaning in patterns. */
const WILDCARD = /[*?[\]{}\\!+@()]/;

/** An object that was found. */
export interface FoundObject {
  /** `s3://bucket/key` */
  path: string;
  bytes: number;
}

/**
 * Finds the objects of a name: the object with that key; the safetensors files directly below a key that ends with `/`;
 * or the objects whose keys match a pattern, in the syntax of patterns of local files. Lists only keys that begin with the
 * part of the pattern before its first wildcard.
 * @returns an empty list when nothing matches
 * @throws LossmeterError file_unreadable, storage_unavailable
 */
export async function findObjects(s3: S3, { bucket, key }: ObjectName): Promise<FoundObject[]> {
  try {
    if (key.endsWith('/')) return await list(s3, { bucket, key }, (one) => isDirectlyBelow(key, one));
    const exact = await sizeOf(s3, { bucket, key });
    if (exact !== undefined) return [{ path: formatObjectName({ bucket, key }), bytes: exact }];
    const wildcard = key.search(WILDCARD);
    if (wildcard < 0) return [];
    const prefix = { bucket, key: key.slice(0, wildcard) };
    return await list(s3, prefix, (one) => !one.endsWith('/') && posix.matchesGlob(one, key));
  } catch (error) {
    throw explainStorageError(showValue(formatObjectName({ bucket, key })), error, false);
  }
}

function isDirectlyBelow(folder: string, key: string): boolean {
  return key.endsWith(SAFETENSORS) && !key.slice(folder.length).includes('/');
}

/** Size of an object; undefined for a missing object. */
async function sizeOf({ client, HeadObject }: S3, { bucket, key }: ObjectName): Promise<number | undefined> {
  try {
    const { ContentLength = 0 } = await client.send(new HeadObject({ Bucket: bucket, Key: key }));
    return ContentLength;
  } catch (error) {
    if ((error as Error).name === 'NotFound') return undefined;
    throw error;
  }
}

async function list(
  { client, ListObjects }: S3,
  { bucket, key: prefix }: ObjectName,
  isMeant: (key: string) => boolean,
): Promise<FoundObject[]> {
  const found: FoundObject[] = [];
  let token: string | undefined;
  do {
    const command = new ListObjects({
      Bucket: bucket,
      Prefix: prefix,
      ...(token !== undefined && { ContinuationToken: token }),
    });
    const { Contents = [], NextContinuationToken } = await client.send(command);
    for (const { Key = '', Size = 0 } of Contents) {
      if (isMeant(Key)) found.push({ path: formatObjectName({ bucket, key: Key }), bytes: Size });
    }
    token = NextContinuationToken;
  } while (token !== undefined);
  return found;
}
