/** An event as the server sent it. */
export interface ServerEvent {
  /** Event type; `message` when the server sends none. */
  type: string;
  data: string;
  id: string;
}

/**
 * Reads server-sent events out of text that arrives in pieces of any length.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 *
 * EventSource in browsers cannot send headers, and so cannot send a key.
 *
 * @example parser.push('event: step\nid: 7\ndata: {}\n\n') // [{ type: 'step', id: '7', data: '{}' }]
 */
export class EventStreamParser {
  #rest = '';
  #type = '';
  #data: string[] = [];
  #id = '';
  #atStart = true;
  /** True after a line that ended in CR: a LF that follows belongs to it. */
  #afterReturn = false;

  /** Id of the last event, from which a new connection resumes. A server may send it before the first event. */
  get lastId(): string {
    return this.#id;
  }

  /** @returns the events that this piece completes */
  push(piece: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    for (const line of this.#linesOf(piece)) {
      if (line !== '') this.#take(line);
      else events.push(...this.#dispatch());
    }
    return events;
  }

  #linesOf(piece: string): string[] {
    if (piece === '') return [];
    let fresh = piece;
    if (this.#atStart) fresh = fresh.replace(/^\uFEFF/, '');
    if (this.#afterReturn) fresh = fresh.replace(/^\n/, '');
    this.#atStart = false;
    this.#afterReturn = piece.endsWith('\r');
    const lines = (this.#rest + fresh).split(/\r\n|\n|\r/);
    this.#rest = lines.pop()!;
    return lines;
  }

  #take(line: string): void {
    const colon = line.indexOf(':');
    // A comment line. Servers send comments so that proxies keep the connection open.
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
  }

  #dispatch(): ServerEvent[] {
    const event = { type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id };
    const isEmpty = this.#data.length === 0;
    this.#type = '';
    this.#data = [];
    return isEmpty ? [] : [event];
  }
}
