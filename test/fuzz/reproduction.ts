import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { HttpRequest } from '../http-client.ts';
import { SEED } from './budget.ts';

const FOLDER = fileURLToPath(new URL('../../test-results/', import.meta.url));

/** Writes a request as HTTP to a file. The last written request is the smallest that fast-check found. @returns the file */
export function saveRequest({ method, path, headers, body = new Uint8Array() }: HttpRequest): string {
  const lines = Object.entries({ host: '127.0.0.1', ...headers, 'content-length': String(body.byteLength) });
  const head = [`${method} ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), '', ''].join(
    '\r\n',
  );
  const file = `${FOLDER}fuzz-${SEED}.http`;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(file, Buffer.concat([Buffer.from(head), body]));
  return file;
}
