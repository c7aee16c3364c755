/** Markdown as the guide shows it: links between its pages, highlighted code, anchors, and sections for the search. */
import { posix } from 'node:path';
import { slug } from 'github-slugger';
import hljs from 'highlight.js';
import markdownIt from 'markdown-it';
import type { MarkdownIt, Token } from 'markdown-it';
import anchor from 'markdown-it-anchor';
import { outputOf, resolveLink } from './repository.ts';
import type { Section } from './section.ts';

/** Sections of the pages that were rendered, by path in the repository. */
export type Sections = Map<string, Section[]>;

/** Makes a parser that collects sections. @param pathOf path in the repository of the page that is rendered */
export function makeMarkdown(pathOf: (environment: unknown) => string, sections: Sections): MarkdownIt {
  const md = markdownIt({
    html: true,
    highlight: (code, language) =>
      hljs.getLanguage(language) === undefined ? '' : hljs.highlight(code, { language }).value,
  });
  // Anchors are those that a code host gives the same headings.
  md.use(anchor, { slugify: slug, uniqueSlugStartIndex: 1, permalink: anchor.permalink.headerLink() });
  md.core.ruler.push('guide', ({ tokens, env }) => {
    const path = pathOf(env);
    for (const token of tokens.flatMap(({ children }) => children ?? [])) rewriteAddress(token, path);
    sections.set(path, sectionsOf(tokens, outputOf(path)));
  });

  const { rules } = md.renderer;
  // What scrolls sideways is reached by the keyboard.
  for (const name of ['fence', 'code_block'] as const) {
    const render = rules[name]!;
    rules[name] = (...args) => render(...args).replace('<pre>', '<pre tabindex="0">');
  }
  rules['table_open'] = () => '<div class="scroll" tabindex="0"><table>\n';
  rules['table_close'] = () => '</table></div>\n';
  // An empty heading is a cell: screen readers would announce a heading without a name.
  rules['th_open'] = (row, at) => (row[at + 1]!.content === '' ? '<td>' : '<th>');
  rules['th_close'] = (row, at) => (row[at - 1]!.content === '' ? '</td>' : '</th>');
  return md;
}

/** Makes a link or an image lead to a file of the guide. */
function rewriteAddress(token: Token, from: string): void {
  const name = token.type === 'link_open' ? 'href' : token.type === 'image' ? 'src' : undefined;
  if (name === undefined) return;
  const href = String(token.attrGet(name));
  if (href.startsWith('#')) return;
  const target = resolveLink(from, href);
  if (target === undefined) return;
  const folder = posix.dirname(outputOf(from));
  token.attrSet(name, posix.relative(folder, outputOf(target.path)) + target.anchor);
}

/** Divides a page at its headings. */
function sectionsOf(tokens: Token[], output: string): Section[] {
  const sections: Section[] = [];
  for (const [k, token] of tokens.entries()) {
    if (token.type === 'heading_open') {
      const title = textOf(tokens[k + 1]!);
      const address = token.tag === 'h1' ? output : `${output}#${token.attrGet('id')}`;
      sections.push({ address, title, text: '', level: Number(token.tag.slice(1)) });
    } else if (tokens[k - 1]?.type !== 'heading_open' && sections.length > 0) {
      const text = textOf(token);
      if (text !== '') sections.at(-1)!.text += `${text}\n`;
    }
  }
  return sections;
}

/** Text of a block as its reader sees it; answers in JSON are long, and say nothing that a reader searches for. */
function textOf({ type, info, content, children }: Token): string {
  if (type === 'fence' || type === 'code_block') return info === 'json' ? '' : content.trim();
  const texts = children?.map((child) =>
    child.type === 'softbreak' ? ' ' : child.type === 'image' ? '' : child.content,
  );
  return texts?.join('') ?? '';
}
