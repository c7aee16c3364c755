import type { AddressInfo } from 'node:net';
import { buildApp } from '../src/app.ts';
import { loadConfig } from '../src/environment.ts';

/** Request in a page, and the place of its answer: <!-- answer of PATH: FIELD FIELD.FIELD … --> … <!-- end --> */
const EXAMPLE =
  /(?<asked>```json\n(?<request>[^`]+?)\n```\n\n(?<marker><!-- answer of (?<path>\S+): (?<fields>[^>]+?) -->))[\s\S]*?<!-- end -->/g;

/** Significant digits of numbers: kernel variants differ in the last digits. */
const DIGITS = 6;

/** Longest line of an answer, in characters. */
const LINE_LENGTH = 120;

/** Posts every request of a page to a service, and writes its answer below it. */
export async function fillAnswers(page: string): Promise<string> {
  const app = await buildApp({ config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), workers: 1 } });
  await app.listen({ host: '127.0.0.1', port: 0 });
  try {
    const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    const answers: string[] = [];
    for (const { groups } of page.matchAll(EXAMPLE)) {
      const { asked, request, path, fields } = groups as Record<string, string>;
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(url + path!, { method: 'POST', headers, body: request! });
      const answer = choose((await response.json()) as object, fields!.split(' '));
      answers.push(`${asked}\n\n\`\`\`json\n${format(answer)}\n\`\`\`\n\n<!-- end -->`);
    }
    return page.replace(EXAMPLE, () => answers.shift()!);
  } finally {
    await app.close();
  }
}

type Tree = { [name: string]: unknown };

/**
 * Selects the fields of a document by dotted paths, in the order of the document.
 * @throws Error for an unknown path
 */
function choose(document: object, paths: readonly string[]): Tree {
  const chosen: Tree = {};
  for (const path of paths) {
    let [from, to] = [document as Tree, chosen];
    const names = path.split('.');
    for (const [depth, name] of names.entries()) {
      if (!(name in from)) throw new Error(`the answer has no ${path}: ${JSON.stringify(document)}`);
      if (depth === names.length - 1) to[name] = from[name];
      else [from, to] = [from[name] as Tree, (to[name] ??= {}) as Tree];
    }
  }
  return chosen;
}

/** JSON with one field per line, and short values on one line. */
function format(value: unknown, indent = ''): string {
  const line = spaced(value);
  if (indent !== '' && indent.length + line.length <= LINE_LENGTH) return line;
  if (typeof value !== 'object' || value === null) return line;
  const inner = `${indent}  `;
  const entries = Array.isArray(value)
    ? value.map((element) => inner + format(element, inner))
    : Object.entries(value).map(([name, field]) => `${inner}${JSON.stringify(name)}: ${format(field, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${entries.join(',\n')}\n${indent}${close}`;
}

function spaced(value: unknown): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(DIGITS)));
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}: ${spaced(field)}`);
  return `{ ${fields.join(', ')} }`;
}
