/** Renders Markdown for the guide: links between its pages, highlighted code, anchors, and sections for the search. */
import { posix } from 'node:path';
import { slug } from 'github-slugger';
import hljs from 'highlight.js';
import markdownIt from 'markdown-it';
import type { MarkdownIt, Token } from 'markdown-it';
import anchor from 'markdown-it-anchor';
import { outputOf, resolveLink } from './repository.ts';
import type { Section } from './section.ts';

/** Level of a row of a table, below that of all headings. */
const ROW_LEVEL = 7;

/** Sections of the pages that were rendered, by path in the repository. */
export type Sections = Map<string, Section[]>;

/** Titles of pages in the contents, by path in the repository. */
type Titles = ReadonlyMap<string, string>;

interface Rendering {
  /** Finds the path in the repository of the page that is rendered. */
  pathOf: (environment: unknown) => string;
  titles: Titles;
  /** Output: receives the sections of each page that is rendered. */
  sections: Sections;
}

/** Makes a parser that collects sections. */
export function makeMarkdown({ pathOf, titles, sections }: Rendering): MarkdownIt {
  const md = markdownIt({
    html: true,
    highlight: (code, language) =>
      hljs.getLanguage(language) === undefined ? '' : hljs.highlight(code, { language }).value,
  });
  // Headings get the same anchors as on a code host.
  md.use(anchor, { slugify: slug, uniqueSlugStartIndex: 1, tabIndex: false, permalink: anchor.permalink.headerLink() });
  md.core.ruler.push('guide', ({ tokens, env }) => {
    const path = pathOf(env);
    for (const { children } of tokens) rewriteAddresses(children ?? [], path, titles);
    sections.set(path, sectionsOf(tokens, outputOf(path)));
  });

  const { rules } = md.renderer;
  // Code and tables that scroll sideways must be reachable by keyboard.
  for (const name of ['fence', 'code_block'] as const) {
    const render = rules[name]!;
    rules[name] = (...args) => render(...args).replace('<pre>', '<pre tabindex="0">');
  }
  rules['table_open'] = () => '<div class="scroll" tabindex="0"><table>\n';
  rules['table_close'] = () => '</table></div>\n';
  // An empty header cell becomes a data cell: screen readers would announce a header without a name.
  rules['th_open'] = (row, at) => (row[at + 1]!.content === '' ? '<td>' : '<th>');
  rules['th_close'] = (row, at) => (row[at - 1]!.content === '' ? '</td>' : '</th>');
  return md;
}

/** Rewrites links and images to files of the guide. A link whose text is a file name gets the title of the page. */
function rewriteAddresses(tokens: Token[], from: string, titles: Titles): void {
  for (const [k, token] of tokens.entries()) {
    const name = token.type === 'link_open' ? 'href' : token.type === 'image' ? 'src' : undefined;
    if (name === undefined) continue;
    const href = String(token.attrGet(name));
    const target = href.startsWith('#') ? undefined : resolveLink(from, href);
    if (target === undefined) continue;
    const folder = posix.dirname(outputOf(from));
    token.attrSet(name, posix.relative(folder, outputOf(target.path)) + target.anchor);
    const text = tokens[k + 1];
    if (text !== undefined && /^[\w./-]+\.md$/.test(text.content))
      text.content = titles.get(target.path) ?? text.content;
  }
}

/** Divides a page at its headings. A row of a table that begins with a name in code is a section of its own. */
function sectionsOf(tokens: Token[], output: string): Section[] {
  const sections: Section[] = [];
  let [heading, current]: (Section | undefined)[] = [];
  for (const [k, token] of tokens.entries()) {
    if (token.type === 'heading_open') {
      const address = sections.length === 0 ? output : `${output}#${token.attrGet('id')}`;
      heading = { address, title: textOf(tokens[k + 1]!), text: '', level: Number(token.tag.slice(1)) };
      sections.push((current = heading));
    } else if (token.type === 'tr_open' && heading !== undefined) {
      const name = tokens[k + 2]?.children;
      if (name?.length !== 1 || name[0]!.type !== 'code_inline') continue;
      sections.push((current = { ...heading, title: name[0]!.content, text: '', level: ROW_LEVEL }));
    } else if (token.type === 'tr_close') {
      current = heading;
    } else if (current !== undefined && tokens[k - 1]?.type !== 'heading_open') {
      const text = textOf(token);
      if (text !== '' && !(current.level === ROW_LEVEL && text === current.title)) current.text += `${text}\n`;
    }
  }
  return sections;
}

/** Text of a block as the reader sees it. JSON is left out: it is long and has no terms that readers search for. */
function textOf({ type, info, content, children }: Token): string {
  if (type === 'fence' || type === 'code_block') return info === 'json' ? '' : content.trim();
  const texts = children?.map((child) =>
    child.type === 'softbreak' ? ' ' : child.type === 'image' ? '' : child.content,
  );
  return texts?.join('') ?? '';
}
