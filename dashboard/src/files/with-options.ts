import { parseOptions } from './options.ts';
import type { FileOptions } from './options.ts';
import { JSON_TYPE, SAFETENSORS, requireMediaType } from './media-type.ts';
import { readTensorFile, writeTensorFile } from './safetensors.ts';
import { UnreadableFileError } from './unreadable-file.ts';

/**
 * Adds options to a file. They override the file's own options of the same names.
 * @throws UnreadableFileError when options cannot be added to the file
 */
export async function withOptions(file: File, options: FileOptions): Promise<File> {
  if (Object.keys(options).length === 0) return file;
  const type = await requireMediaType(file);
  if (type === SAFETENSORS) {
    const { tensors, metadata } = await readTensorFile(file, file.name);
    const merged = JSON.stringify({ ...parseOptions(metadata['options'], file.name), ...options });
    return new File([writeTensorFile({ tensors, metadata: { ...metadata, options: merged } })], file.name);
  }
  if (type === JSON_TYPE) {
    const { options: own, ...batch } = parseBatch(await file.text(), file.name);
    return new File([JSON.stringify({ ...batch, options: { ...(own as object | undefined), ...options } })], file.name);
  }
  throw new UnreadableFileError(`the options of this page do not apply to ${file.name}: MessagePack has its own`);
}

function parseBatch(text: string, name: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new UnreadableFileError(`${name} is not JSON: ${(error as Error).message}`);
  }
}
