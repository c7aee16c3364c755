/** A metric in a PromQL expression, with the labels that the expression uses. */
export interface Selector {
  metric: string;
  /** Labels that the expression matches, groups by, or joins on. */
  labels: string[];
  /** Labels that the outermost aggregation keeps; undefined without an aggregation. */
  left: string[] | undefined;
}

const TOKEN =
  /\s+|(?<string>"(?:[^"\\]|\\.)*")|(?<range>\[[^\]]*\])|(?<number>\d[\d.]*[a-z]*)|(?<name>[a-zA-Z_:][\w:]*)|(?<sign>=~|!~|[!=<>]=|[-+*/%^<>=(){},])/gy;
const AGGREGATIONS = new Set(['sum', 'min', 'max', 'avg', 'count', 'group', 'stddev', 'stdvar', 'quantile', 'topk']);
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);

/**
 * Reads the selectors of an expression. Aggregations must have their labels in front, as in `sum by (le) (…)`.
 * https://prometheus.io/docs/prometheus/latest/querying/basics/
 * @throws Error for an expression that the reader does not understand
 */
export function readSelectors(expression: string): Selector[] {
  const matches = [...expression.matchAll(TOKEN)];
  if (matches.map(([text]) => text).join('') !== expression) throw new Error(`unknown characters: ${expression}`);
  return new Reader(matches.map(([text]) => text).filter((text) => text.trim() !== '')).read();
}

class Reader {
  readonly #tokens: readonly string[];
  #position = 0;
  readonly #selectors: Selector[] = [];
  readonly #joinedOn: string[] = [];

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  read(): Selector[] {
    while (this.#position < this.#tokens.length) this.#term([], undefined);
    for (const { labels } of this.#selectors) labels.push(...this.#joinedOn);
    return this.#selectors;
  }

  #term(labels: readonly string[], left: string[] | undefined): void {
    const token = this.#take();
    if (token === '(') return this.#parenthesized(labels, left);
    if (token === ')') throw new Error('a parenthesis that was not opened');
    if (!/^[a-zA-Z_:]/.test(token) || WORDS.has(token.toLowerCase())) return;
    if (['on', 'ignoring', 'group_left', 'group_right'].includes(token)) {
      this.#joinedOn.push(...this.#names());
    } else if (AGGREGATIONS.has(token)) {
      const isGrouped = this.#peek() === 'by';
      if (isGrouped) this.#take();
      const by = isGrouped ? this.#names() : [];
      this.#take('(');
      this.#parenthesized([...labels, ...by], left ?? by);
    } else if (this.#peek() !== '(') {
      this.#selectors.push({ metric: token, labels: [...labels, ...this.#matched()], left });
    }
  }

  /** Reads up to the closing parenthesis, after the opening one. */
  #parenthesized(labels: readonly string[], left: string[] | undefined): void {
    while (this.#peek() !== ')') this.#term(labels, left);
    this.#take(')');
  }

  /** Reads `(a, b)`. */
  #names(): string[] {
    const names: string[] = [];
    this.#take('(');
    while (this.#peek() !== ')') {
      names.push(this.#take());
      if (this.#peek() === ',') this.#take();
    }
    this.#take(')');
    return names;
  }

  /** Reads an optional `{a="1", b=~"2"}`. */
  #matched(): string[] {
    const names: string[] = [];
    if (this.#peek() !== '{') return names;
    this.#take();
    while (this.#peek() !== '}') {
      names.push(this.#take());
      if (!/^(=|!=|=~|!~)$/.test(this.#take())) throw new Error(`no matcher: ${names.at(-1)}`);
      this.#take();
      if (this.#peek() === ',') this.#take();
    }
    this.#take('}');
    return names;
  }

  #peek(): string | undefined {
    return this.#tokens[this.#position];
  }

  #take(expected?: string): string {
    const token = this.#tokens[this.#position++];
    if (token === undefined || (expected !== undefined && token !== expected)) {
      throw new Error(`expected ${expected ?? 'more'}, got ${token ?? 'the end'}`);
    }
    return token;
  }
}
