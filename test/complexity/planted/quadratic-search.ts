/** Searches a list from its beginning for each of its entries, one for every 250 bytes of the body. */
import { onBody } from './bodies.ts';

onBody((bytes) => {
  const list = Array.from({ length: bytes / 250 }, (_, k) => `entry ${k}`);
  for (const k of list.keys()) list.indexOf(`entry ${k}`);
});
