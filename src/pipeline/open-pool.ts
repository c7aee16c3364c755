import type { Config } from '../config.ts';
import { KernelPool } from '../engine/pool.ts';
import { divideMemory } from './memory-shares.ts';

/** Opens the kernel pool of a service. @throws Error when this machine cannot run the requested kernel variant */
export function openPool(config: Config): KernelPool {
  return new KernelPool({ ...config, maxSlabBytes: divideMemory(config.maxBytesInFlight).maxSlabBytes });
}
