import type { Pair } from '../compare.ts';
import { PyTorchProcess } from './pytorch-process.ts';

interface Timing {
  milliseconds: number;
  divergences: number[];
}

/** PyTorch's divergence of a pair of float32 tensors. */
export class PyTorchDivergence extends PyTorchProcess<Timing> {
  constructor(python: string, { rows, classes, reference, logits }: Pair) {
    super(python, 'pytorch_divergence.py', { sizes: [rows, classes], tensors: [reference, logits] });
  }
}
