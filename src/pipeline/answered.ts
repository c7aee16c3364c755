/** Milliseconds: ingest is the time from the first look at the body to its end; compute is added over workers. */
export interface Timings {
  ingest: number;
  compute: number;
  reduce: number;
}

/** An answer, its timings, and the release of its memory once it has been sent. */
export interface Answered<A> {
  answer: A;
  timings: Timings;
  /** True where tensors of the answer are arrays of msgpack-numpy, because the logits were. */
  numpyArrays: boolean;
  release: () => void;
}
