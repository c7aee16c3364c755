import { currentKey } from './key.ts';
import { request } from './request.ts';

/**
 * Saves what a path answers under a name. Without a key a link does it, and the browser writes to disk what arrives;
 * a link sends no key, so that the file is held here first.
 */
export async function download(path: string, name: string): Promise<void> {
  const blob = await (await request(path)).blob();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser reads it after the click has returned.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export const needsKey = (): boolean => currentKey() !== undefined;
