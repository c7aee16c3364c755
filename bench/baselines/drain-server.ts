/** Baseline for reading a body with Node.js: reads and discards every byte. */
import { createServer } from 'node:http';

createServer((request, response) => {
  request.on('data', () => {});
  request.on('end', () => response.setHeader('content-type', 'application/json').end('{"loss":0}'));
}).listen(Number(process.env['PORT']), '127.0.0.1');
