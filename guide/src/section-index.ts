import MiniSearch from 'minisearch';
import type { Section } from '../section.ts';

const MAX_RESULTS = 12;
/** Characters of text in a result, and the part of them before the found word. */
const EXCERPT = { length: 140, before: 40 };

export type Result = Section & { page: string; words: string[] };

/** Search index of sections. It finds words, prefixes of words and near misspellings. */
export class SectionIndex {
  readonly #sections: (Section & { page: string })[];
  readonly #index = new MiniSearch<{ id: number; title: string; page: string; text: string }>({
    fields: ['title', 'page', 'text'],
    searchOptions: { boost: { title: 4, page: 2 }, prefix: true, fuzzy: 0.15, combineWith: 'AND' },
  });

  constructor(sections: Section[]) {
    let page = '';
    this.#sections = sections.map((section) => {
      if (section.level === 1) page = section.title;
      return { ...section, page };
    });
    this.#index.addAll(this.#sections.map(({ title, page, text }, id) => ({ id, title, page, text })));
  }

  /** Finds sections, the best match first. */
  find(query: string): Result[] {
    return this.#index
      .search(query)
      .slice(0, MAX_RESULTS)
      .map(({ id, terms }) => ({ ...this.#sections[id as number]!, words: terms }));
  }
}

/** Text around the first found word. */
export function excerptOf({ text, words }: Pick<Result, 'text' | 'words'>): string {
  const lower = text.toLowerCase();
  const places = words.map((word) => lower.indexOf(word)).filter((place) => place >= 0);
  const earliest = Math.min(...(places.length > 0 ? places : [0])) - EXCERPT.before;
  // Begins at the start of a word.
  const begin = earliest <= 0 ? 0 : text.slice(0, earliest).search(/\S*$/);
  const cut = text.slice(begin, begin + EXCERPT.length).replaceAll(/\s+/g, ' ');
  return `${begin > 0 ? '… ' : ''}${cut}${begin + EXCERPT.length < text.length ? ' …' : ''}`;
}
