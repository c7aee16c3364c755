import type { Batch } from '../blocks.ts';
import { PyTorchProcess } from './pytorch-process.ts';

/**
 * Lets glibc allocate large tensors from its heap and keep freed memory, so that results reuse the pages of earlier
 * ones. By default each large tensor is mapped anew, and the system's kernel fills it with zeros.
 */
export const PAGE_REUSE = { GLIBC_TUNABLES: 'glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184' };

export interface Timing {
  milliseconds: number;
  loss: number;
  /** Gradient with respect to each row's logit at its label; for `backward`. */
  gradient?: number[];
}

/** PyTorch's cross entropy of one batch. Its actions are `forward` and `backward`. */
export class PyTorch extends PyTorchProcess<Timing> {
  constructor(python: string, environment: NodeJS.ProcessEnv, { logits, classes, labels }: Batch) {
    const ofLabels = Buffer.from(labels.buffer, labels.byteOffset, labels.byteLength);
    super(python, 'pytorch_kernels.py', { sizes: [labels.length, classes], tensors: [logits, ofLabels] }, environment);
  }
}
