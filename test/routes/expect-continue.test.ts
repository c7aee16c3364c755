import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { JSON_TYPE, Service } from '../service.ts';

const service = Service.start({ maxBodyBytes: 1024 });

const BODY = JSON.stringify({ logits: [[1, 2, 3]], label: [2] });

/** Sends bytes, and resolves to everything received until the server closes. */
async function send(bytes: string): Promise<string> {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  socket.setEncoding('utf8');
  let answer = '';
  socket.on('data', (text: string) => {
    answer += text;
  });
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

/** Sends a head with `Expect: 100-continue`, and the body after a 100. @returns everything received until the close */
async function converse(head: Record<string, string>): Promise<{ answer: string; sentBody: boolean }> {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  const lines = Object.entries({ host: 'localhost', expect: '100-continue', ...head });
  socket.write(
    `POST /v1/cross-entropy HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  );
  let answer = '';
  let sentBody = false;
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    answer += text;
    if (sentBody || !answer.startsWith('HTTP/1.1 100 Continue')) return;
    sentBody = true;
    socket.write(BODY);
  });
  await once(socket, 'close');
  return { answer, sentBody };
}

test('a client that waits is told to go on when its body is read', async () => {
  const { answer, sentBody } = await converse({
    'content-type': JSON_TYPE,
    'content-length': String(BODY.length),
    connection: 'close',
  });
  expect(sentBody).toBe(true);
  expect(answer).toContain('HTTP/1.1 200 OK');
});

test.each([
  ['415', { 'content-type': 'text/plain', 'content-length': '10' }],
  ['413', { 'content-type': JSON_TYPE, 'content-length': '1025' }],
  ['406', { 'content-type': JSON_TYPE, 'content-length': '10', accept: 'image/png' }],
  ['415', { 'content-type': JSON_TYPE, 'content-length': '10', 'content-encoding': 'br' }],
])('a client that is refused with %s is not, and the connection closes at once', async (status, head) => {
  const started = performance.now();
  const { answer, sentBody } = await converse(head);
  expect(sentBody).toBe(false);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer.toLowerCase()).toContain('connection: close');
  expect(performance.now() - started).toBeLessThan(2000);
});

test.each([
  ['400', '/%zz'],
  ['501', `/v2/repository/models/${'a'.repeat(300)}/load`],
])('a path that is refused with %s before its body is read, %s, does not end the service', async (status, path) => {
  const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 50\r\n\r\n`;
  expect(await send(head)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect((await service.post({ logits: [[1, 2, 3]], label: [2] })).status).toBe(200);
});
