import { BATCH_TENSORS } from '../../batch/header.ts';
import { OPTION_NAMES } from '../../loss/options.ts';
import { VOCABULARY_FIELDS } from '../../loss/vocabulary.ts';
import type { Kind } from '../kind.ts';
import { encodePartial } from './partial-object.ts';
import type { PartialObject } from './partial-object.ts';
import { planShard } from './plan.ts';
import type { ShardPlan } from './plan.ts';

/** A shard of the vocabulary, whose partial can be merged with the partials of the other shards. */
export const VOCABULARY_SHARD: Kind<ShardPlan, PartialObject> = {
  fields: { tensors: BATCH_TENSORS, required: ['logits', 'label'], values: VOCABULARY_FIELDS, options: OPTION_NAMES },
  plan: planShard,
  *answer(plan, rows) {
    // Encoding is one step: it may begin in a new turn.
    yield;
    return encodePartial(plan, rows);
  },
};
