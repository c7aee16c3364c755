import type { FastifyInstance } from 'fastify';
import { suggestName } from '../../suggestion.ts';

/** Methods in the order in which `Allow` lists them. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];

/** Path of a route, in segments. A parameter is undefined and matches any segment. */
interface RoutePath {
  segments: readonly (string | undefined)[];
  methods: Set<string>;
}

/** Paths of a service and their methods. The router itself can only match one method. */
export class AllowedMethods {
  readonly #paths = new Map<string, RoutePath>();

  /** Records the routes that are registered from now on, except wildcards, which are not resources. */
  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ method, url }) => {
      if (url.includes('*')) return;
      let path = this.#paths.get(url);
      if (path === undefined) {
        const segments = segmentsOf(url).map((segment) => (segment.startsWith(':') ? undefined : segment));
        this.#paths.set(url, (path = { segments, methods: new Set() }));
      }
      for (const one of [method].flat()) path.methods.add(one);
    });
  }

  /** Methods of a path; empty for an unknown path. @param path without a query */
  of(path: string): string[] {
    const given = segmentsOf(path);
    const found = [...this.#paths.values()].filter(
      ({ segments }) =>
        segments.length === given.length &&
        segments.every((segment, k) => (segment === undefined ? given[k] !== '' : segment === given[k])),
    );
    return METHODS.filter((method) => found.some(({ methods }) => methods.has(method)));
  }

  /** Suggests the nearest path of a route, with the parameters of the given path. @param path without a query */
  suggest(path: string): string | undefined {
    const given = segmentsOf(path);
    const near = [...this.#paths.values()]
      .filter(({ segments }) => segments.length === given.length || !segments.includes(undefined))
      .map(({ segments }) => `/${segments.map((segment, k) => segment ?? given[k]).join('/')}`);
    return suggestName(path, near);
  }
}

/** Segments of a path. A slash at the end is ignored. */
function segmentsOf(path: string): string[] {
  const segments = path.split('/').slice(1);
  return segments.length > 1 && segments.at(-1) === '' ? segments.slice(0, -1) : segments;
}
