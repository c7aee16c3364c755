/**
 * Where the page is: the hash of its address, `#/runs/NAME?log=1`. A hash, since then the service has one page to
 * serve, wherever it is mounted.
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
  // Commas and colons may stand in a query; escaped they make addresses that nobody can read.
  const query = parameters.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
  return `#/${path.map(encodeURIComponent).join('/')}${query && `?${query}`}`;
}

/** Somebody may have typed it. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
