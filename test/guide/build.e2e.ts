/** The built guide: every link has a target, and no page contains anything that the service's headers forbid. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findFiles } from '../../guide/repository.ts';
import type { Section } from '../../guide/section.ts';
import { listFiles, read, ROOT } from '../docs/pages.ts';

const folder = mkdtempSync(`${tmpdir()}/lossmeter-guide-`);
afterAll(() => rmSync(folder, { recursive: true }));

let pages: { path: string; html: string }[] = [];
beforeAll(() => {
  const { status, stderr } = spawnSync(process.execPath, ['guide/build.ts', '--out', folder], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  // On a busy machine Eleventy also prints the slow steps.
  const warnings = stderr.replaceAll(/^\[11ty\] Benchmark .*\n/gm, '');
  expect([status, warnings]).toEqual([0, '']);
  pages = globSync('**/*.html', { cwd: folder }).map((path) => ({
    path,
    html: readFileSync(`${folder}/${path}`, 'utf8'),
  }));
});

const htmlOf = (path: string): string => pages.find((page) => page.path === path)!.html;

/** Values of an attribute in a page. */
const valuesOf = (html: string, attribute: string): string[] =>
  [...html.matchAll(new RegExp(`<[^>]* ${attribute}="([^"]*)"`, 'g'))].map(([, value]) => value!);

/** Links, images, scripts and style sheets of a page without a file or an anchor in the guide. */
function deadLinks({ path, html }: { path: string; html: string }): string[] {
  return [...valuesOf(html, 'href'), ...valuesOf(html, 'src')].filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [name = '', anchor] = link.split('#');
    const target = name === '' ? path : posix.join(posix.dirname(path), name);
    if (!existsSync(`${folder}/${target}`) || link.startsWith('/')) return true;
    if (anchor === undefined) return false;
    return !valuesOf(target === path ? html : htmlOf(target), 'id').includes(decodeURIComponent(anchor));
  });
}

test('it has every page of docs/', () => {
  const expected = listFiles('docs/**/*.md').map((path) =>
    path
      .slice('docs/'.length)
      .replace(/README\.md$/, 'index.md')
      .replace(/\.md$/, '.html'),
  );
  expect(pages.map(({ path }) => path)).toEqual(expect.arrayContaining(expected));
});

test('every link leads to a file or an anchor of the guide, by a relative path', () => {
  expect(pages.length).toBeGreaterThan(40);
  expect(pages.flatMap((page) => deadLinks(page).map((link) => `${page.path}: ${link}`))).toEqual([]);
});

test('a link to a page or an anchor that does not exist is found', () => {
  const html = '<a href="limits.html#memory"></a><a href="limits.html#none"></a><img src="none.svg"><a href="/x.html">';
  expect(deadLinks({ path: 'index.html', html })).toEqual(['limits.html#none', '/x.html', 'none.svg']);
});

test('no page has a script, a style or a handler in itself', () => {
  for (const { path, html } of pages) {
    expect(html.match(/<script(?![^>]* src=)[^>]*>|<style|<[^>]* (?:style|on\w+)="|javascript:/gi), path).toBeNull();
  }
});

test('a page shows its code, its tables and its place in the contents', () => {
  const html = htmlOf('evaluate.html');
  expect(html).toContain('<title>Evaluating a batch – Lossmeter</title>');
  expect(html).toContain('<a href="./evaluate.html" aria-current="page">Evaluating a batch</a>');
  expect(html).toContain('<span class="hljs-attr">&quot;loss&quot;</span>');
  expect(html).toMatch(/<div class="scroll" tabindex="0"><table>[\s\S]*<code>label_smoothing<\/code>/);
  expect(htmlOf('architecture.html'), 'code by indentation').toContain('<code>bytes → wire/&lt;format&gt; decode');
});

test('a link whose text is a file name has the title of the page', () => {
  expect(htmlOf('formats.html')).toContain('<a href="limits.html#compression">Limits</a>');
});

test('files of the repository that pages link to are pages', () => {
  expect(htmlOf('trainers.html')).toContain('<a href="repository/examples/ddp_lm.py.html">ddp_lm.py</a>');
  expect(htmlOf('repository/examples/ddp_lm.py.html')).toContain('<span class="hljs-keyword">import</span>');
});

test('it searches the text of all pages, and no other', () => {
  const script = readFileSync(`${folder}/sections.js`, 'utf8');
  const sections = JSON.parse(/^globalThis\.guideSections = (.*);\n$/.exec(script)![1]!) as Section[];
  const found = sections.find(({ address }) => address === 'limits.html#compression')!;
  expect(found).toMatchObject({ title: 'Compression', level: 2, text: expect.stringContaining('gzip members') });
  const option = sections.find(({ title, address }) => title === 'label_smoothing' && address.startsWith('evaluate'))!;
  expect(option).toMatchObject({
    address: 'evaluate.html#options',
    text: expect.stringContaining('uniform distribution'),
  });
  for (const { address } of sections) expect(deadLinks({ path: '', html: `<a href="${address}">` })).toEqual([]);
});

describe('a link to no file', () => {
  test('fails the build, with its page', () => {
    const program = `import { resolveLink } from './guide/repository.ts'; resolveLink('docs/limits.md', 'gone.md')`;
    const run = (): string =>
      execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
        cwd: ROOT,
        stdio: 'pipe',
      }).toString();
    expect(run).toThrow('docs/limits.md: the link gone.md leads to no file');
  });
});

describe('tables of contents', () => {
  const pagesOfDocs = listFiles('docs/*.md').filter((path) => path !== 'docs/README.md');
  const targetsOf = (page: string): string[] =>
    [...read(page).matchAll(/\]\(([^)#\s]+)[^)\s]*\)/g)].map(([, href]) => posix.join(posix.dirname(page), href!));

  test('docs/README.md lists each page once', () => {
    const listed = targetsOf('docs/README.md').filter((path) => /^docs\/[\w-]+\.md$/.test(path));
    // Skips the first link: the introduction also links to a page.
    expect(listed.slice(1).toSorted()).toEqual(pagesOfDocs);
    expect(targetsOf('docs/README.md')).toContain('docs/adr/README.md');
  });

  test('the README lists each page', () => {
    const listed = targetsOf('README.md');
    expect(pagesOfDocs.filter((path) => !listed.includes(path))).toEqual([]);
  });

  test('docs/adr/README.md lists each decision with its title, status and date', () => {
    const rows = listFiles('docs/adr/0*.md').map((path) => {
      const [, title, status, date] = /^# (.+)\n\nStatus: (\w+)\. Date: (\d{4}-\d\d-\d\d)\.\n/.exec(read(path)) ?? [];
      return `| [${title}](${posix.basename(path)}) | ${status} | ${date} |`;
    });
    const table = read('docs/adr/README.md').split('| --- | --- | --- |\n')[1]!;
    expect(table.trim().split('\n')).toEqual(rows);
  });
});

test('the image is built from all files that the guide has', () => {
  const copied = [...read('Dockerfile').matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap(([, sources]) =>
    sources!.split(' '),
  );
  const admitted = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map(([, path]) => path!);
  const isIn = (paths: readonly string[], file: string) =>
    paths.some((path) => file === path || file.startsWith(`${path}/`));
  expect(findFiles().filter((file) => !isIn(copied, file) || !isIn(admitted, file))).toEqual([]);
});
