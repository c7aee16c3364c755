import type { Comparison } from './comparison.ts';
import { comparePosts } from './large-request.ts';
import { startBaseline, startService } from './service.ts';

/** Compares a large request with a server that reads the same bytes and discards them. */
export async function benchPost(): Promise<Comparison[]> {
  await using drain = await startBaseline('drain-server');
  await using service = await startService();
  const { byteLength, times } = await comparePosts([
    { server: drain, evaluates: false },
    { server: service, evaluates: true },
  ]);
  const [drained, evaluated] = times;
  return [
    {
      what: `POST of ${(byteLength / 1e6).toFixed(0)} MB, float32 as MessagePack`,
      figure: evaluated!.figure,
      against: `draining ${drained!.figure}`,
      value: evaluated!.milliseconds / drained!.milliseconds,
      unit: '×',
      goal: { atMost: 1.25 },
    },
  ];
}
