/** TypeScript types of the OpenAPI document. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { npmTool } from './npm-tools.ts';

const DOCUMENT = fileURLToPath(new URL('../openapi.json', import.meta.url));

/** Generates the types of the committed document with openapi-typescript. */
export function typescriptTypes(): string {
  // Fields with a default are optional in a request.
  const args = [DOCUMENT, '--default-non-nullable=false'];
  const { stdout, stderr, status } = spawnSync(npmTool('openapi-typescript'), args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openapi-typescript failed: ${stderr}`);
  return stdout;
}
