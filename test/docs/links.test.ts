/** Checks that every link of the documentation within the repository has a target. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { read, readPages, ROOT } from './pages.ts';

/** The anchors that GitHub gives the headings of a page. */
function anchorsOf(text: string): string[] {
  const headings = text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Links of a page that have no target. */
function deadLinks({ path, text }: { path: string; text: string }): string[] {
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  return links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : join(dirname(path), file);
    if (!existsSync(`${ROOT}${target}`)) return true;
    return anchor !== undefined && !anchorsOf(target === path ? text : read(target)).includes(anchor);
  });
}

test.each(readPages())('$path', (page) => {
  expect(deadLinks(page)).toEqual([]);
});

test('a link to a file or a heading that does not exist is found', () => {
  const text =
    '# A heading, `and` more\n[a](#a-heading-and-more) [b](#no-heading) [c](docs/none.md) [d](docs/limits.md#memory) [e](docs/limits.md#memories)';
  expect(deadLinks({ path: 'README.md', text })).toEqual(['#no-heading', 'docs/none.md', 'docs/limits.md#memories']);
});
