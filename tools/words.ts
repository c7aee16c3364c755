/**
 * Checks the words of comments: doc comments start with a noun or a verb, and no comment uses a phrase that must be
 * read twice.
 */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'vite';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = [
  'src',
  'routes',
  'kernels',
  'bench',
  'dashboard/src',
  'guide',
  'clients/typescript/src',
  'openapi',
  'test',
  'tools',
  'vendor',
].map((folder) => `${folder}/**/*.{ts,tsx,js}`);

/** Openings of a doc comment. */
const OPENING = /^(?:what|whether|which|who|how|that|those|one that|of|the same of)\b/i;

/** Openings of the text of `@param` and `@returns`. In `@param path of the file` the name is the noun. */
const TAG_OPENING = /^(?:what|whether|which|who|how|those|one that)\b/i;

/** Phrases that must be read twice. */
const PHRASES = [
  /\bthat which\b/i,
  /\b(?:is|are|be|was|were) told\b/i,
  /\btells? (?:nothing )?of\b/i,
  /\bas good as (?:none|nothing)\b/i,
  /\b(?:has|have|had) not(?=[,.;:]|$| (?:is|are)\b)/i,
  /\bnot there\b/i,
  /\bwhat is not\b/i,
  /\bof interest\b/i,
  /\bas [^.,;:]{1,40} (?:has|have) (?:it|them)\b/i,
  /\bof which (?:no|nothing|none)\b/i,
  /\bwhat (?:be)?(?:comes|came) of\b/i,
  /(?:^|[:;.] )who\b/i,
  /\bbut for\b/i,
  /(?:^|\. )should (?:it|there|they)\b/i,
  /\bheld against\b/i,
];

interface Violation {
  line: number;
  text: string;
}

interface Comment {
  kind: 'doc' | 'block' | 'line';
  start: number;
  end: number;
  text: string;
}

/** Comments of a source file. Consecutive line comments count as one. */
function commentsOf(path: string, source: string): Comment[] {
  // AssemblyScript decorates functions, which TypeScript does not allow.
  const { comments, errors } = parseSync(path, source.replaceAll(/^@(?=inline$)/gm, ' '));
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);

  const merged: Comment[] = [];
  for (const { type, value, start, end } of comments) {
    const text = value.replaceAll(/^\s*\*+ ?/gm, '').trim();
    const kind = type === 'Line' ? 'line' : value.startsWith('*') ? 'doc' : 'block';
    const last = merged.at(-1);
    if (kind === 'line' && last?.kind === 'line' && /^\n[ \t]*$/.test(source.slice(last.end, start))) {
      last.text += `\n${text}`;
      last.end = end;
    } else {
      merged.push({ kind, start, end, text });
    }
  }
  return merged;
}

/** Finds the comments of a file that are not in plain words. */
export function findViolations(path: string, source: string): Violation[] {
  return commentsOf(path, source).flatMap(({ kind, start, text }) => {
    const line = source.slice(0, start).split('\n').length;
    const words = text.replaceAll(/\s+/g, ' ');
    const tags = kind === 'doc' ? words.split(/@(?:returns|param [\w.]+) /).slice(1) : [];
    const found = [
      kind === 'doc' ? OPENING.exec(words) : null,
      ...tags.map((tag) => TAG_OPENING.exec(tag)),
      ...PHRASES.map((phrase) => phrase.exec(words)),
    ]
      .filter((match) => match !== null)
      .map(([excerpt]) => `"${excerpt}"`);
    return found.length === 0 ? [] : [{ line, text: `${found.join(', ')} in: ${words.slice(0, 100)}` }];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const messages = globSync(SOURCES, { cwd: ROOT, exclude: ['kernels/build/**', 'vendor/dist/**', 'guide/dist/**'] })
    .toSorted()
    .flatMap((path) =>
      findViolations(path, readFileSync(`${ROOT}${path}`, 'utf8')).map(({ line, text }) => `${path}:${line}: ${text}`),
    );
  if (messages.length > 0) {
    console.error(`error: comments to rewrite\n${messages.join('\n')}`);
    process.exitCode = 1;
  }
}
