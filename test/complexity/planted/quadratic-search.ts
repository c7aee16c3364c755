/** Searches a list from its beginning for each of its entries, one for every 200 bytes of the body. */
import { onBody } from './bodies.ts';

onBody((bytes) => {
  const list = Array.from({ length: bytes / 200 }, (_, k) => k);
  for (const k of list.keys()) list.indexOf(k);
});
