/** Builds the guide: the pages of docs/ as a site in guide/dist that requires no server. */
import { mkdirSync, rmSync, writeFileSync, cpSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import { parseArgs } from 'node:util';
import { Eleventy } from '@11ty/eleventy';
import { build } from 'vite';
import { makeMarkdown } from './markdown.ts';
import type { Sections } from './markdown.ts';
import { findFiles, isCopied, outputOf, read, readContents, ROOT, titleOf } from './repository.ts';

/** Folder of virtual templates, inside the folder of the pages, for files of the repository outside docs/. */
const VIRTUAL = 'docs/repository/';

/** Makes a page that shows the text of a file that is not Markdown. */
const sourcePage = (path: string): string =>
  `# ${path}\n\n\`\`\`\`\`${posix.extname(path).slice(1)}\n${read(path).trimEnd()}\n\`\`\`\`\`\n`;

/** Path in the repository of the template that Eleventy renders. */
function pathOf(environment: unknown): string {
  const { page } = environment as { page: { inputPath: string } };
  const path = posix.normalize(page.inputPath);
  return path.startsWith(VIRTUAL) ? path.slice(VIRTUAL.length).replace(/\.source\.md$/, '') : path;
}

async function buildPages(folder: string, files: string[]): Promise<void> {
  const groups = readContents();
  const order = groups.flatMap(({ links }) => links);
  const titles = new Map(order.map(({ path, text }) => [path, text]));
  const sections: Sections = new Map();

  const site = new Eleventy('docs', folder, {
    quietMode: true,
    config: (config) => {
      config.setUseGitIgnore(false);
      config.setTemplateFormats(['md']);
      config.setIncludesDirectory('../guide/layout');
      config.addGlobalData('layout', 'page.njk');
      // Markdown only: Liquid would interpret braces in the pages.
      config.addGlobalData('templateEngineOverride', 'md');
      config.addGlobalData('eleventyComputed', {
        permalink: (data: unknown) => outputOf(pathOf(data)),
        title: (data: unknown) => titleOf(pathOf(data)),
      });
      for (const path of files.filter((file) => !file.startsWith('docs/') && !isCopied(file))) {
        if (path.endsWith('.md')) config.addTemplate(`repository/${path}`, read(path));
        else config.addTemplate(`repository/${path}.source.md`, sourcePage(path));
      }
      config.setLibrary('md', makeMarkdown({ pathOf, titles, sections }));
      // Eleventy disables indented code blocks.
      config.amendLibrary('md', (md) => md.enable('code'));
      config.addFilter('shown', (page) => {
        const path = pathOf({ page });
        const root = posix.relative(posix.dirname(outputOf(path)), '') || '.';
        const at = order.findIndex((link) => link.path === path);
        const place = ({ text, path: target }: { text: string; path: string }) => ({
          text,
          href: `${root}/${outputOf(target)}`,
          isCurrent: target === path,
        });
        return {
          root,
          groups: groups.map(({ title, links }) => ({ title, links: links.map(place) })),
          headings: (sections.get(path) ?? [])
            .filter(({ level }) => level === 2)
            .map(({ title, address }) => ({ title, anchor: address.slice(address.indexOf('#')) })),
          previous: at > 0 ? place(order[at - 1]!) : undefined,
          next: at >= 0 && at + 1 < order.length ? place(order[at + 1]!) : undefined,
        };
      });
    },
  });
  await site.write();

  const searched = files.filter((path) => path.endsWith('.md')).flatMap((path) => sections.get(path) ?? []);
  writeFileSync(`${folder}/sections.js`, `globalThis.guideSections = ${JSON.stringify(searched)};\n`);
}

/** Builds the style sheet and a classic script: browsers load no modules from `file:` addresses. */
async function buildScript(folder: string): Promise<void> {
  await build({
    root: `${ROOT}guide`,
    configFile: false,
    logLevel: 'warn',
    build: {
      outDir: folder,
      emptyOutDir: false,
      target: 'es2022',
      cssTarget: 'es2022',
      lib: { entry: 'src/main.ts', formats: ['iife'], name: 'guide', fileName: () => 'guide.js', cssFileName: 'guide' },
    },
  });
}

const { values } = parseArgs({ options: { out: { type: 'string', default: 'guide/dist' } } });
process.chdir(ROOT);
const out = posix.resolve(ROOT, values.out);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const files = findFiles();
await buildPages(out, files);
await buildScript(out);
cpSync(`${ROOT}dashboard/src/icon.svg`, `${out}/icon.svg`);
for (const path of files.filter(isCopied)) {
  mkdirSync(dirname(`${out}/${outputOf(path)}`), { recursive: true });
  cpSync(`${ROOT}${path}`, `${out}/${outputOf(path)}`);
}
