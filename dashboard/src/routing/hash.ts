/**
 * Location of the page: the hash of its address, `#/runs/NAME?log=1`. With a hash, the service serves a single page, at
 * any mount path.
 */
export interface Place {
  /** Segments of the path. */
  path: string[];
  parameters: URLSearchParams;
}

export function parseHash(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  return { path: path.split('/').filter(Boolean).map(decode), parameters: new URLSearchParams(query) };
}

export function formatHash(path: readonly string[], parameters = new URLSearchParams()): string {
  // Commas and colons are valid in a query. Unescaped, they keep addresses readable.
  const query = parameters.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
  return `#/${path.map(encodeURIComponent).join('/')}${query && `?${query}`}`;
}

/** Decodes a segment. An invalid escape stays as it is: the address may be typed by hand. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
