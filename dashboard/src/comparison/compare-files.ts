import { parseAnswer } from '../../../clients/typescript/src/json.ts';
import type { Comparison as AnyComparison } from '../../../clients/typescript/src/types.ts';
import { request } from '../api/request.ts';
import { SAFETENSORS, requireMediaType } from '../files/media-type.ts';
import { readTensorFile, writeTensorFile } from '../files/safetensors.ts';
import type { TensorFile } from '../files/safetensors.ts';
import { UnreadableFileError } from '../files/unreadable-file.ts';
import { isPair, isReferenceOnly, requestOfPair, requestOfTwo } from './pair-request.ts';
import type { NamedFile } from './pair-request.ts';

/** Comparison with its results by row. Rows that are not counted have 0. */
export interface Comparison extends Omit<AnyComparison, 'outputs'> {
  readonly divergence: Float64Array;
  /** 1 where both sides have the same most probable class. */
  readonly agreement: Int32Array;
}

/** Two files, or one file that holds both sets of logits. */
export interface ComparedFiles {
  readonly logits: File;
  readonly reference: File | undefined;
}

/**
 * Sends two sets of logits to the service to compare. The browser streams both files from the disk as one body.
 * @throws UnreadableFileError
 */
export async function compareFiles({ logits, reference }: ComparedFiles, signal: AbortSignal): Promise<Comparison> {
  const first = await readNamed(logits);
  const body = reference === undefined ? requestOfPair(first) : requestOfTwo(first, await readNamed(reference));
  const response = await request('v1/kl-divergence', {
    method: 'POST',
    headers: { 'content-type': SAFETENSORS, accept: SAFETENSORS },
    body: writeTensorFile(body),
    signal,
  });
  const { tensors, metadata } = await readTensorFile(await response.blob(), 'the answer');
  const bytesOf = (name: string): Promise<ArrayBuffer> => tensors.get(name)!.bytes.arrayBuffer();
  return {
    ...(parseAnswer(metadata['evaluation']!) as Omit<AnyComparison, 'outputs'>),
    divergence: new Float64Array(await bytesOf('kl_divergence')),
    agreement: new Int32Array(await bytesOf('top1_agreement')),
  };
}

async function readNamed(file: File): Promise<NamedFile> {
  const type = await requireMediaType(file);
  if (type !== SAFETENSORS) {
    throw new UnreadableFileError(`expected safetensors to compare; ${file.name} is ${type}`);
  }
  return { ...(await readTensorFile(file, file.name)), name: file.name };
}

/** Returns true for a file that holds both sets of logits. */
export async function holdsPair(file: File): Promise<boolean> {
  const header = await headerOf(file);
  return header !== undefined && isPair(header);
}

/** Finds the roles of two files. The second is the reference, unless the first has a reference and no logits. */
export async function rolesOf(first: File, second: File): Promise<ComparedFiles> {
  const header = await headerOf(first);
  const isSwapped = header !== undefined && isReferenceOnly(header);
  return isSwapped ? { logits: second, reference: first } : { logits: first, reference: second };
}

/** Header of a safetensors file; undefined for other files, whose faults are reported later. */
const headerOf = (file: File): Promise<TensorFile | undefined> =>
  readTensorFile(file, file.name).catch(() => undefined);
