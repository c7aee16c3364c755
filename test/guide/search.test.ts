import { afterEach, expect, test, vi } from 'vitest';

// The types of the tests have no DOM, so the path is not a literal.
const MODULE: string = '../../guide/src/search.ts';
const { startSearch } = (await import(MODULE)) as { startSearch: (root: URL) => void };

afterEach(() => vi.unstubAllGlobals());

/** Stub of an element with the members that the search uses. */
const elementOf = () =>
  Object.assign(new EventTarget(), {
    value: '',
    textContent: '',
    hidden: true,
    classList: { toggle() {}, add() {} },
    append() {},
    replaceChildren() {},
  });

/** Starts the search on a page whose scripts load with the given outcomes. */
function searchWith(outcomes: ('load' | 'error')[]) {
  const elements = { '#search': elementOf(), '#results': elementOf(), '#found': elementOf() };
  vi.stubGlobal('guideSections', [
    { address: 'runs.html', title: 'Runs', text: 'A trainer records each micro-batch.', level: 1 },
    { address: 'limits.html', title: 'Limits', text: 'Memory of a trainer.', level: 1 },
  ]);
  vi.stubGlobal('document', {
    querySelector: (selector: keyof typeof elements) => elements[selector],
    addEventListener() {},
    createElement: elementOf,
    head: { append: (script: EventTarget) => void script.dispatchEvent(new Event(outcomes.shift()!)) },
  });
  startSearch(new URL('http://guide/'));
  /** Text about the results of a query. */
  return async (query: string): Promise<string> => {
    elements['#search'].value = query;
    elements['#search'].dispatchEvent(new Event('input'));
    await new Promise((resolve) => setTimeout(resolve));
    return elements['#found'].textContent;
  };
}

test('sections that could not be loaded are loaded by the next search', async () => {
  const search = searchWith(['error', 'error', 'load']);
  expect(await search('')).toBe('');
  expect(await search('memory')).toBe('The search cannot be loaded');
  expect(await search('zebra')).toBe('Nothing found for zebra');
});

test('results are counted in the singular and the plural', async () => {
  const search = searchWith(['load']);
  expect(await search('memory')).toBe('1 result');
  expect(await search('trainer')).toBe('2 results');
});
