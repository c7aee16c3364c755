/** Checks that the poison mode detects each mistake in a release of memory. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const POISON = new URL('./poison.ts', import.meta.url).href;

/** Runs a module in the poison mode. @returns its output */
function run(source: string): string {
  const args = [`--import=${POISON}`, '--input-type=module', '--eval', source];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', UV_THREADPOOL_SIZE: '1' },
  });
  return stdout + stderr;
}

/** Keeps the only thread of libuv's pool busy, so that later work begins after the release. */
const BUSY = `
  import { pbkdf2 } from 'node:crypto';
  pbkdf2('password', 'salt', 100_000, 64, 'sha512', () => undefined);
`;

const GUNZIP = `
  ${BUSY}
  import { createGunzip, gzipSync } from 'node:zlib';
  const chunk = new Uint8Array(gzipSync('released too early?'));
  const decoder = createGunzip();
  decoder.on('data', (text) => console.log(String(text))).on('error', ({ message }) => console.log(message));
`;

test('released memory is overwritten', () => {
  expect(
    run(`
      const bytes = new Uint8Array(4);
      const seen = [];
      const { fill } = Uint8Array.prototype;
      Uint8Array.prototype.fill = function (value) { seen.push(fill.call(this, value).join()); };
      console.log(bytes.buffer.transfer(0).byteLength, bytes.byteLength, seen);
    `),
  ).toContain(`0 0 [ '165,165,165,165' ]`);
});

test('zlib, which still reads it', () => {
  expect(run(`${GUNZIP} decoder.write(chunk); chunk.buffer.transfer(0);`)).toContain('incorrect header check');
});

test('zlib, which has read it: no mistake', () => {
  const output = run(`${GUNZIP} decoder.write(chunk, () => chunk.buffer.transfer(0));`);
  expect(output).toContain('released too early?');
  expect(output).toContain('poison: 1 buffers were released');
});

test('native code, which still writes to it', () => {
  const write = `
    ${BUSY}
    import { randomFill } from 'node:crypto';
    const bytes = new Uint8Array(2 ** 20);
    randomFill(bytes, () => undefined);
    bytes.buffer.transfer(0);
  `;
  expect(run(write)).toContain('poison: 1048576 released bytes were written to');
});

test('memory of a pool', () => {
  expect(run(`Buffer.from('abc').buffer.transfer(0);`)).toContain('poison: memory of a pool is released');
});

test('a released view, which is read', () => {
  expect(run(`const view = new Uint8Array(9); view.buffer.transfer(0); new Uint8Array(9).set(view);`)).toContain(
    'detached ArrayBuffer',
  );
});

test('a transfer that releases nothing leaves the bytes as they are', () => {
  expect(run(`console.log(new Uint8Array(new Uint8Array([1, 2, 3]).buffer.transfer()).join());`)).toContain('1,2,3');
});
