import type { FastifyInstance } from 'fastify';
import { suggestName } from '../../suggestion.ts';

/** Methods in the order in which `Allow` names them. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];

/** A path of a route, in segments. A parameter is undefined: it matches any segment. */
interface RoutePath {
  segments: readonly (string | undefined)[];
  methods: Set<string>;
}

/** The paths of a service and their methods: the router itself tells only whether one method matches. */
export class AllowedMethods {
  readonly #paths = new Map<string, RoutePath>();

  /** Notes the routes that are registered from now on. Wildcards are no resources of their own. */
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

  /** The methods that a path has; none where there is no such path. @param path without a query */
  of(path: string): string[] {
    const given = segmentsOf(path);
    const found = [...this.#paths.values()].filter(
      ({ segments }) =>
        segments.length === given.length &&
        segments.every((segment, k) => (segment === undefined ? given[k] !== '' : segment === given[k])),
    );
    return METHODS.filter((method) => found.some(({ methods }) => methods.has(method)));
  }

  /** The nearest path of a route, with the parameters of the given one. @param path without a query */
  suggest(path: string): string | undefined {
    const given = segmentsOf(path);
    const near = [...this.#paths.values()]
      .filter(({ segments }) => segments.length === given.length || !segments.includes(undefined))
      .map(({ segments }) => `/${segments.map((segment, k) => segment ?? given[k]).join('/')}`);
    return suggestName(path, near);
  }
}

/** A slash at the end does not count. */
function segmentsOf(path: string): string[] {
  const segments = path.split('/').slice(1);
  return segments.length > 1 && segments.at(-1) === '' ? segments.slice(0, -1) : segments;
}
