import { LOSS_NAMES } from '../loss-names.ts';
import { decodeEvent } from './event.ts';
import { TfRecords } from './records.ts';

/**
 * Usual names of the loss among the tags of event files, in the order of LOSS_NAMES.
 * @param heads beginnings of the files
 */
export function lossTagsOf(heads: readonly Buffer[]): string[] {
  const tags = new Set<string>();
  for (const head of heads) {
    for (const record of new TfRecords().push(head)) {
      if ('data' in record) addTags(record.data, tags);
    }
  }
  return LOSS_NAMES.filter((name) => tags.has(name));
}

function addTags(data: Buffer, tags: Set<string>): void {
  try {
    for (const { tag, number } of decodeEvent(data).values) {
      if (number !== undefined) tags.add(tag);
    }
  } catch {
    // The import reports a corrupt record with its offset.
  }
}
