import { UnreadableFileError } from './unreadable-file.ts';

/** Options of an evaluation, by name. */
export type FileOptions = Readonly<Record<string, unknown>>;

/** Parses the options in the metadata of a safetensors file; `null` means no options. @throws UnreadableFileError */
export function parseOptions(text: string | undefined, name: string): FileOptions {
  if (text === undefined) return {};
  try {
    const options: unknown = JSON.parse(text);
    if (typeof options === 'object' && !Array.isArray(options)) return { ...options };
  } catch {
    // The error is thrown below.
  }
  throw new UnreadableFileError(`expected an object as JSON in __metadata__.options of ${name}`);
}
