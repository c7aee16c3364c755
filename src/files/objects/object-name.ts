import { showValue } from '../../suggestion.ts';

const SCHEME = 's3://';

/** Name of an object in object storage. */
export interface ObjectName {
  readonly bucket: string;
  /** Bytes of the key as they are: nothing in it is decoded or resolved. */
  readonly key: string;
}

/** True for a name of an object, `s3://bucket/key`, and false for a path. */
export function isObjectName(name: string): boolean {
  return name.startsWith(SCHEME);
}

/**
 * Reads `s3://bucket/key`. A key may have any segments. One whose `..` lead above its bucket is refused: the bucket is a
 * segment of the URL where a server wants path style, and a proxy that resolves `..` would read another bucket.
 * @returns a name, or what is wrong with it
 */
export function parseObjectName(name: string): ObjectName | string {
  const shown = showValue(name);
  const slash = name.indexOf('/', SCHEME.length);
  const bucket = name.slice(SCHEME.length, slash < 0 ? undefined : slash);
  const key = slash < 0 ? '' : name.slice(slash + 1);
  if (bucket === '') return `${shown} names no bucket`;
  if (key === '') return `${shown} names no object`;
  if (leadsUp(key)) return `${shown} leads out of its bucket`;
  return { bucket, key };
}

function leadsUp(key: string): boolean {
  let depth = 0;
  for (const segment of key.split(/[\\/]/)) {
    if (segment === '..') depth--;
    else if (segment !== '' && segment !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}

/** Formats a name as it is given. */
export function formatObjectName({ bucket, key }: ObjectName): string {
  return `${SCHEME}${bucket}/${key}`;
}
