// Posts every body of a manifest with fetch: node post.mjs URL MANIFEST
import { readFileSync } from 'node:fs';

const [url, manifest] = process.argv.slice(2);
for (const line of readFileSync(manifest, 'utf8').trim().split('\n')) {
  const [name, path, file, ...fields] = line.split('\t');
  const headers = fields.map((field) => field.split(': '));
  const response = await fetch(url + path, { method: 'POST', headers, body: readFileSync(file) });
  console.log([name, response.status, await response.text()].join('\t'));
}
