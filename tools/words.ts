/**
 * Checks the words of comments: doc comments start with the noun or the verb, and no comment is a riddle. The folders'
 * counts of violations stand in counts.json and may only fall. `--record` writes lower counts.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'vite';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COUNTS = fileURLToPath(new URL('counts.json', import.meta.url));
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
].map((folder) => `${folder}/**/*.{ts,tsx,js}`);

/** Openings of a doc comment. */
const OPENING = /^(?:what|whether|which|who|how|that|those|one that|of|the same of)\b/i;

/** Openings of the text of `@param` and `@returns`. In `@param path of the file` the name is the noun. */
const TAG_OPENING = /^(?:what|whether|which|who|how|those|one that)\b/i;

/** Phrases that have to be read twice. */
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

/** Finds the comments of a file whose words are not plain. */
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

/** Violations by folder, at most two levels deep, as lines for the terminal. */
function findAll(): Map<string, string[]> {
  const byFolder = new Map<string, string[]>();
  for (const path of globSync(SOURCES, { cwd: ROOT, exclude: ['kernels/build/**', 'guide/dist/**'] }).toSorted()) {
    const folder = dirname(path).split('/').slice(0, 2).join('/');
    const lines = findViolations(path, readFileSync(`${ROOT}${path}`, 'utf8'));
    if (lines.length === 0) continue;
    byFolder.set(folder, [
      ...(byFolder.get(folder) ?? []),
      ...lines.map(({ line, text }) => `${path}:${line}: ${text}`),
    ]);
  }
  return byFolder;
}

/** Compares counts of violations by folder. @returns a message for each folder whose count is not the recorded one */
export function compare(counts: Record<string, number>, recorded: Record<string, number>): string[] {
  return [...new Set([...Object.keys(counts), ...Object.keys(recorded)])].toSorted().flatMap((folder) => {
    const count = counts[folder] ?? 0;
    const limit = recorded[folder] ?? 0;
    if (count > limit) return [`${folder}: ${count} comments to rewrite, at most ${limit} allowed`];
    if (count < limit)
      return [`${folder}: ${count} left of ${limit}; record it by \`npm run check:words -- --record\``];
    return [];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const violations = findAll();
  const counts = Object.fromEntries([...violations].map(([folder, lines]) => [folder, lines.length]));
  const recorded = JSON.parse(readFileSync(COUNTS, 'utf8')) as Record<string, number>;
  if (process.argv.includes('--record')) {
    // A higher count is not recorded: the comparison below reports it.
    for (const folder of Object.keys(recorded)) recorded[folder] = Math.min(recorded[folder]!, counts[folder] ?? 0);
    const left = Object.entries(recorded).filter(([, count]) => count > 0);
    writeFileSync(COUNTS, `${JSON.stringify(Object.fromEntries(left), null, 2)}\n`);
  }
  const messages = compare(counts, recorded);
  for (const message of messages) console.error(message);
  for (const [folder, lines] of violations) {
    if (lines.length > (recorded[folder] ?? 0)) console.error(lines.join('\n'));
  }
  if (messages.length > 0) process.exitCode = 1;
}
