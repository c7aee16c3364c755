import type { Plan } from '../evaluations/kind.ts';
import { elementCount } from '../tensor/shape.ts';
import type { Phases, SpanAttributes } from '../tracing.ts';
import type { Waiting } from '../waiting.ts';
import type { StreamedTensor } from '../wire/request.ts';

/** Runs an admission in the phase `admission` of a trace. */
export function* admitted<T>(admission: Waiting<T>, phases: Phases | undefined): Waiting<T> {
  if (phases === undefined) return yield* admission;
  phases.begin('admission');
  try {
    return yield* admission;
  } catch (error) {
    phases.fail(error);
    throw error;
  } finally {
    phases.end();
  }
}

/** Attributes of the evaluated rows. Blocks have no own spans, because there would be thousands. */
export function describeRows({ name, dtype, shape }: StreamedTensor, writer: Plan['writer']): SpanAttributes {
  return {
    'lossmeter.tensor': name,
    'lossmeter.dtype': dtype,
    'lossmeter.elements': elementCount(shape),
    'lossmeter.rows': writer.rows,
    'lossmeter.blocks': writer.blocks,
    'lossmeter.on_workers': !writer.isInline,
    'lossmeter.compute_ms': writer.computeMs,
  };
}
