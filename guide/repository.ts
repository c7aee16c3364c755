/** Finds the files of the repository that the guide includes, and their paths in the guide. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Page that lists all others. The sidebar is made from it. */
const CONTENTS = 'docs/README.md';

/** Greatest size of a page of a file that is not Markdown. A larger file is copied as it is: its page would be slow. */
const MAX_PAGE_BYTES = 64 * 1024;

const IMAGE = /\.(?:svg|jpg|png)$/;

export const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');

interface Link {
  text: string;
  /** Path in the repository. */
  path: string;
}

interface Group {
  title: string;
  links: Link[];
}

/** Reads the groups of the table of contents: headings, and the first link of each list item. */
export function readContents(): Group[] {
  const [, ...parts] = read(CONTENTS).split(/^## /m);
  return parts.map((part) => ({
    title: part.split('\n', 1)[0]!,
    links: [...part.matchAll(/^- \[([^\]]+)\]\(([^)\s]+)\)/gm)].map(([, text, href]) => ({
      text: text!,
      path: resolveLink(CONTENTS, href!)!.path,
    })),
  }));
}

/** Title of a page: its first heading, or the path of a file that is not Markdown. */
export function titleOf(path: string): string {
  if (!path.endsWith('.md')) return path;
  const heading = /^# (.+)$/m.exec(read(path))?.[1];
  if (heading === undefined) throw new Error(`${path} has no heading of the first level`);
  return heading.replaceAll('`', '');
}

/**
 * Finds the file that a link leads to; a folder stands for its README.md.
 * @returns undefined for a link to another site
 * @throws Error when there is no such file
 */
export function resolveLink(from: string, href: string): { path: string; anchor: string } | undefined {
  if (/^[a-z]+:/.test(href)) return undefined;
  const [name = '', anchor] = href.split('#');
  let path = name === '' ? from : posix.join(posix.dirname(from), name);
  if (existsSync(ROOT + path) && statSync(ROOT + path).isDirectory()) path = posix.join(path, 'README.md');
  // The first page of the guide is its contents. On a code host, it is the README.
  if (path === 'README.md') path = CONTENTS;
  if (!existsSync(ROOT + path)) throw new Error(`${from}: the link ${href} leads to no file`);
  return { path, anchor: anchor === undefined ? '' : `#${anchor}` };
}

/** Path of a file of the repository in the guide. */
export function outputOf(path: string): string {
  const place = path.startsWith('docs/') ? path.slice('docs/'.length) : `repository/${path}`;
  if (isCopied(path)) return place;
  return place.replace(/(^|\/)README\.md$/, '$1index.md').replace(/(?:\.md)?$/, '.html');
}

/** Returns true for a file that is copied as it is, not rendered as a page. */
export const isCopied = (path: string): boolean =>
  IMAGE.test(path) || (!path.endsWith('.md') && statSync(ROOT + path).size > MAX_PAGE_BYTES);

/** Finds all files of the guide: the pages of docs/, and the files that they or linked pages link to. */
export function findFiles(): string[] {
  const found = new Set(globSync('docs/**/*.md', { cwd: ROOT }).toSorted());
  // The iteration includes paths that are added to the set meanwhile.
  for (const path of found) {
    if (!path.endsWith('.md')) continue;
    for (const [, href] of withoutCode(read(path)).matchAll(/\]\(([^)\s]+)\)/g)) {
      const target = resolveLink(path, href!);
      if (target !== undefined) found.add(target.path);
    }
  }
  return [...found];
}

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '');
