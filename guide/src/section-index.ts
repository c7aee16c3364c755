import MiniSearch from 'minisearch';
import type { Section } from '../section.ts';

const MAX_RESULTS = 12;
/** Characters of text that a result shows, and those of them before the word that was found. */
const EXCERPT = { length: 140, before: 40 };

export type Result = Section & { page: string; words: string[] };

/** Searches sections by their words and beginnings of words; near misspellings are found too. */
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

  /** Finds sections, the best first. */
  find(query: string): Result[] {
    return this.#index
      .search(query)
      .slice(0, MAX_RESULTS)
      .map(({ id, terms }) => ({ ...this.#sections[id as number]!, words: terms }));
  }
}

/** The text around the first word that was found. */
export function excerptOf({ text, words }: Pick<Result, 'text' | 'words'>): string {
  const lower = text.toLowerCase();
  const places = words.map((word) => lower.indexOf(word)).filter((place) => place >= 0);
  const earliest = Math.min(...(places.length > 0 ? places : [0])) - EXCERPT.before;
  // Begins where a word does.
  const begin = earliest <= 0 ? 0 : text.slice(0, earliest).search(/\S*$/);
  const cut = text.slice(begin, begin + EXCERPT.length).replaceAll(/\s+/g, ' ');
  return `${begin > 0 ? '… ' : ''}${cut}${begin + EXCERPT.length < text.length ? ' …' : ''}`;
}
