import { makeHeader } from '../../batch/header.ts';
import { kernelOf, openIntake, openRows, weightsForKernels } from '../../batch/rows.ts';
import type { Batch } from '../../batch/rows.ts';
import { plainPlan, wholeBlock } from '../../engine/block.ts';
import type { Block, BlockPlan } from '../../engine/block.ts';
import { BlockWriter } from '../../engine/block-writer.ts';
import type { KernelPool } from '../../engine/pool.ts';
import { requireShardable } from '../../loss/option-rules.ts';
import { parseOptions, smoothingOf, transformOf } from '../../loss/options.ts';
import { requireDivisible } from '../../loss/parallel.ts';
import { targetsWithin } from '../../loss/partials.ts';
import { needsEveryRow, statisticsOf } from '../../loss/requested.ts';
import { requireVocabulary } from '../../loss/vocabulary.ts';
import type { Vocabulary } from '../../loss/vocabulary.ts';
import { statisticsOfShard } from '../../statistics/list.ts';
import type { Steps } from '../../steps.ts';
import { DTYPE_BYTES } from '../../tensor/dtype.ts';
import type { HeldBytesAccount } from '../../wire/body/held-bytes.ts';
import type { ReadRequest } from '../../wire/request.ts';

/** Additional bytes per row, for the columns by which shards are merged. */
const BYTES_PER_ROW_OF_SHARD = 128;

/** A batch over some of the classes. */
export interface ShardPlan extends Batch {
  vocabulary: Vocabulary;
}

/** Plans a shard of the vocabulary. Its columns are merged with the columns of other shards before they are reduced. */
export function* planShard(pool: KernelPool, request: ReadRequest, held: HeldBytesAccount): Steps<ShardPlan> {
  const given = makeHeader(request);
  const options = parseOptions(given.options);
  // openRows refuses logits without this axis.
  const vocabulary = requireVocabulary(request.fields, request.streamed.shape.at(options.class_axis) ?? 0);
  const moreBytesPerRow = BYTES_PER_ROW_OF_SHARD;
  const { header, layout, targets } = yield* openRows(given, options, held, {
    moreBytesPerRow,
    shard: vocabulary,
  });
  const { dtype, shape } = header.logits;
  const classes = shape.at(-1)!;
  const probabilities = targets.probabilities !== undefined;
  requireShardable(options, { probabilities });
  requireDivisible(options, targets.classes.length, vocabulary.size);
  smoothingOf(options, vocabulary.size);
  const plan: BlockPlan = {
    ...plainPlan(dtype, classes),
    statistics: statisticsOfShard(statisticsOf(options, targets), { probabilities }),
    everyRow: needsEveryRow(options),
    isShard: true,
    transform: transformOf(options),
    firstColumn: vocabulary.start,
    classWeights: yield* weightsForKernels(targets, options, held),
  };
  const block: Block = {
    ...wholeBlock(plan, targetsWithin(targets, vocabulary, classes)),
    mostPlaces: options.max_locations,
    probabilities: targets.probabilities,
  };
  const writer = new BlockWriter(pool, block, options.shift);
  const kernel = kernelOf(pool, plan);
  // A partial is opaque, and has the same form for every client.
  const { nulls } = header;
  const intake = openIntake(writer, layout, { width: DTYPE_BYTES[dtype], held });
  return { options, shape, targets, writer, intake, kernel, nulls, numpyArrays: false, vocabulary };
}
