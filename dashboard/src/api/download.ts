import { currentKey } from './key.ts';
import { request } from './request.ts';

/**
 * Downloads a path with the key, and saves the response under a name. A link sends no key, so the page holds the whole
 * file first. Without a key, a link is enough: the browser writes the response to disk as it arrives.
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
