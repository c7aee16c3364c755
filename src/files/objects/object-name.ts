import { showValue } from '../../suggestion.ts';

const SCHEME = 's3://';

/** Name of an object in object storage. */
export interface ObjectName {
  readonly bucket: string;
  /** Key of the object, unchanged: nothing in it is decoded or resolved. */
  readonly key: string;
}

/** True for a name of an object, `s3://bucket/key`, and false for a path. */
export function isObjectName(name: string): boolean {
  return name.startsWith(SCHEME);
}

/**
 * Parses `s3://bucket/key`. A key may have any segments, except `..` that lead above its bucket. With path style the
 * bucket is a segment of the URL, and a proxy that resolves `..` would read another bucket.
 * @returns a name, or a description of the error
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

/** Formats a name as `s3://bucket/key`. */
export function formatObjectName({ bucket, key }: ObjectName): string {
  return `${SCHEME}${bucket}/${key}`;
}
