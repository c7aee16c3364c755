import { plural } from '../../dashboard/src/format/numbers.ts';
import type { Section } from '../section.ts';
import { excerptOf, SectionIndex } from './section-index.ts';
import type { Result } from './section-index.ts';

declare global {
  /** Sections of all pages, set by sections.js. */
  var guideSections: Section[] | undefined;
}

/** Makes the search box work. @param root address of the guide's first page */
export function startSearch(root: URL): void {
  const input = document.querySelector<HTMLInputElement>('#search')!;
  const list = document.querySelector<HTMLUListElement>('#results')!;
  const found = document.querySelector<HTMLParagraphElement>('#found')!;
  let index: Promise<SectionIndex | undefined> | undefined;

  const loadIndex = async (): Promise<SectionIndex | undefined> => {
    try {
      return new SectionIndex(await loadSections(root));
    } catch {
      // The next search loads the sections again.
      index = undefined;
      return undefined;
    }
  };
  const show = async (): Promise<void> => {
    index ??= loadIndex();
    const query = input.value.trim();
    const results = query === '' ? [] : (await index)?.find(query);
    if (input.value.trim() !== query) return;
    const items = results?.map((result) => itemOf(result, root)) ?? [];
    list.replaceChildren(...items);
    list.hidden = items.length === 0;
    found.textContent = query === '' ? '' : textOf(query, results);
    found.classList.toggle('hidden', query === '' || !list.hidden);
  };
  const close = (): void => {
    list.hidden = true;
    found.classList.add('hidden');
  };

  input.disabled = false;
  input.addEventListener('input', () => void show());
  input.addEventListener('focus', () => void show());
  document.addEventListener('click', ({ target }) => {
    // A click on a result closes the list too: the result may be on this page.
    if ((target as Element).closest('search input') === null) close();
  });
  document.addEventListener('keydown', (event) => {
    const isTyping = (event.target as Element).matches('input, textarea');
    if (event.key === '/' && !isTyping) {
      event.preventDefault();
      input.focus();
      return;
    }
    const links = [...list.querySelectorAll('a')];
    const at = links.indexOf(document.activeElement as HTMLAnchorElement);
    if (list.hidden || (at < 0 && event.target !== input)) return;
    if (event.key === 'Escape') {
      close();
      input.blur();
    } else if (event.key === 'ArrowDown') {
      event.preventDefault();
      links[Math.min(at + 1, links.length - 1)]!.focus();
    } else if (event.key === 'ArrowUp') {
      event.preventDefault();
      if (at > 0) links[at - 1]!.focus();
      else input.focus();
    } else if (event.key === 'Enter' && at < 0) {
      links[0]!.click();
    }
  });
}

/** Loads the sections with a script element, which also works for a page at a `file:` address. */
function loadSections(root: URL): Promise<Section[]> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = new URL('sections.js', root).href;
    script.addEventListener('load', () => resolve(globalThis.guideSections!));
    script.addEventListener('error', () => reject(new Error(`${script.src} cannot be loaded`)));
    document.head.append(script);
  });
}

/** Text about the results of a query. @param results undefined when the sections cannot be loaded */
function textOf(query: string, results: readonly Result[] | undefined): string {
  if (results === undefined) return 'The search cannot be loaded';
  return results.length === 0 ? `Nothing found for ${query}` : plural(results.length, 'result');
}

function itemOf(result: Result, root: URL): HTMLLIElement {
  const item = document.createElement('li');
  const link = document.createElement('a');
  link.href = new URL(result.address, root).href;
  const title = document.createElement('strong');
  title.textContent = result.level === 1 ? result.title : `${result.page} › ${result.title}`;
  const excerpt = document.createElement('span');
  excerpt.textContent = excerptOf(result);
  link.append(title, excerpt);
  item.append(link);
  return item;
}
