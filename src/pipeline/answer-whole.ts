import { LossmeterError } from '../errors.ts';
import { tracing } from '../tracing.ts';
import { settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import { HeldRuns, adviceOn } from '../wire/body/held-bytes.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';
import { readWhole } from '../wire/decoding.ts';
import type { Doorway } from './admission/doorway.ts';
import type { Answered } from './answered.ts';
import type { RequestBody } from './body.ts';
import { admitted } from './phases.ts';
import { runDecoding } from './run-decoding.ts';

/** Reads a whole body, and answers it. @throws LossmeterError body_too_large beyond `maxBytes`, and like Doorway.admit */
export function* answerWhole<A>(
  request: RequestBody,
  doorway: Doorway,
  { maxBytes, answer }: { maxBytes: number; answer: (whole: Uint8Array, held: HeldBytesAccount) => A | Promise<A> },
): Waiting<Answered<A>> {
  const phases = tracing.tracer?.phases();
  const body = yield* admitted(doorway.admit(request), phases);
  const { held, reader } = body;
  const started = performance.now();
  try {
    phases?.begin('decode');
    const runs = new HeldRuns(held, 'the body', adviceOn('the body'));
    const tooLong = (): LossmeterError =>
      new LossmeterError('body_too_large', `the body has more than ${maxBytes} bytes, the maximum of this service`);
    const whole = yield* runDecoding(readWhole(reader, runs, { maxBytes, tooLong }), reader);
    const ingested = performance.now();
    phases?.begin('reduce');
    const made = yield* settled(answer(whole, held));
    const timings = { ingest: ingested - started, compute: 0, reduce: performance.now() - ingested };
    body.requireEnd();
    return { answer: made, timings, numpyArrays: false, release: body.handOver() };
  } catch (error) {
    const explained = body.explain(error);
    phases?.fail(explained);
    throw explained;
  } finally {
    phases?.end();
    body.close();
  }
}
