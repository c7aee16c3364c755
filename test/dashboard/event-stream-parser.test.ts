import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventStreamParser } from '../../clients/typescript/src/event-stream-parser.ts';
import type { ServerEvent } from '../../clients/typescript/src/event-stream-parser.ts';

const parse = (...pieces: string[]): ServerEvent[] => {
  const parser = new EventStreamParser();
  return pieces.flatMap((piece) => parser.push(piece));
};

describe('an event stream is read', () => {
  test.each<[string, string, ServerEvent[]]>([
    ['an event', 'event: step\nid: 7\ndata: {"step":1}\n\n', [{ type: 'step', id: '7', data: '{"step":1}' }]],
    ['data alone is a message', 'data: x\n\n', [{ type: 'message', id: '', data: 'x' }]],
    ['data of several lines', 'data: a\ndata\ndata: b\n\n', [{ type: 'message', id: '', data: 'a\n\nb' }]],
    [
      'one space after the colon is no value',
      'data:  a\n\ndata:b\n\n',
      [
        { type: 'message', id: '', data: ' a' },
        { type: 'message', id: '', data: 'b' },
      ],
    ],
    ['comments say nothing', ': nothing new\n\ndata: a\n: more\n\n', [{ type: 'message', id: '', data: 'a' }]],
    [
      'without data there is no event, and its name is gone',
      'event: step\n\ndata: a\n\n',
      [{ type: 'message', id: '', data: 'a' }],
    ],
    [
      'an id stays until there is another',
      'id: 3\ndata: a\n\ndata: b\n\nid\ndata: c\n\n',
      [
        { type: 'message', id: '3', data: 'a' },
        { type: 'message', id: '3', data: 'b' },
        { type: 'message', id: '', data: 'c' },
      ],
    ],
    ['an id with a NUL is none', 'id: 3\nid: 4\0\ndata: a\n\n', [{ type: 'message', id: '3', data: 'a' }]],
    [
      'fields that nobody knows are left out',
      'retry: 10\nfoo: bar\ndata: a\n\n',
      [{ type: 'message', id: '', data: 'a' }],
    ],
    ['a byte order mark is no part of it', '\uFEFFdata: a\n\n', [{ type: 'message', id: '', data: 'a' }]],
    ['what has not ended is no event yet', 'data: a\n\ndata: b\n', [{ type: 'message', id: '', data: 'a' }]],
  ])('%s', (_name, text, events) => {
    expect(parse(text)).toEqual(events);
  });

  test('an id without an event says where to resume', () => {
    const parser = new EventStreamParser();
    expect(parser.push('retry: 1000\nid: 41\n\n')).toEqual([]);
    expect(parser.lastId).toBe('41');
  });

  test('the same however it is cut, and whatever ends its lines', () => {
    const line = fc.constantFrom('data: ä\u{1F600}', 'data', 'event: step', 'id: 5', ': comment', '', 'data:x', '');
    const cut = fc.array(fc.nat(12), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom('\n', '\r\n', '\r'), cut, (lines, end, lengths) => {
        const text = [...lines, '', ''].join(end);
        let rest = text;
        const pieces = lengths.map((length) => {
          const piece = rest.slice(0, length);
          rest = rest.slice(length);
          return piece;
        });
        expect(parse(...pieces, rest)).toEqual(parse([...lines, '', ''].join('\n')));
      }),
    );
  });
});
