/** Files of the repository as pages of the guide: which they are, and where the guide has them. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The page that lists all others, and from which the sidebar is made. */
const CONTENTS = 'docs/README.md';

/** A larger file that is no Markdown is copied as it is: as a page it would be slow. */
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

/** The groups of the table of contents: headings, and the first link of each item of a list. */
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

/** The first heading of a page, or the path of a file that is no page. */
export function titleOf(path: string): string {
  if (!path.endsWith('.md')) return path;
  const heading = /^# (.+)$/m.exec(read(path))?.[1];
  if (heading === undefined) throw new Error(`${path} has no heading of the first level`);
  return heading.replaceAll('`', '');
}

/**
 * Finds the file that a link leads to; a folder stands for its README.md.
 * @returns undefined for a link to another site
 * @throws when there is no such file
 */
export function resolveLink(from: string, href: string): { path: string; anchor: string } | undefined {
  if (/^[a-z]+:/.test(href)) return undefined;
  const [name = '', anchor] = href.split('#');
  let path = name === '' ? from : posix.join(posix.dirname(from), name);
  if (existsSync(ROOT + path) && statSync(ROOT + path).isDirectory()) path = posix.join(path, 'README.md');
  // The guide begins with its contents, a code host with the README.
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

/** Tells files that the guide has as they are from pages. */
export const isCopied = (path: string): boolean =>
  IMAGE.test(path) || (!path.endsWith('.md') && statSync(ROOT + path).size > MAX_PAGE_BYTES);

/** All files that the guide has: the pages of docs/, and whatever they or their targets link to. */
export function findFiles(): string[] {
  const found = new Set(globSync('docs/**/*.md', { cwd: ROOT }).toSorted());
  // A set yields what is added while it is read.
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
