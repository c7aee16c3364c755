/** Searches a list linearly for each of its entries. The list has one entry for every 200 bytes of the body. */
import { onBody } from './bodies.ts';

onBody((bytes) => {
  const list = Array.from({ length: bytes / 200 }, (_, k) => k);
  for (const k of list.keys()) list.indexOf(k);
});
