/** Milliseconds of the phases: `ingest` is the time from admission to the end of the body; `compute` is summed over workers. */
export interface Timings {
  ingest: number;
  compute: number;
  reduce: number;
}

/** Answer of a request, with its timings. `release` frees its memory after it was sent. */
export interface Answered<A> {
  answer: A;
  timings: Timings;
  /** True if tensors of the answer are arrays of msgpack-numpy, because the logits were. */
  numpyArrays: boolean;
  release: () => void;
}
