/** Types of the parts of Eleventy that the build uses. Eleventy ships no types. */
declare module '@11ty/eleventy' {
  import type { MarkdownIt } from 'markdown-it';

  interface Config {
    setUseGitIgnore(isUsed: boolean): void;
    setTemplateFormats(formats: string[]): void;
    setIncludesDirectory(path: string): void;
    addGlobalData(name: string, value: unknown): void;
    addTemplate(path: string, content: string): void;
    addFilter(name: string, filter: (page: { inputPath: string }) => unknown): void;
    setLibrary(format: 'md', library: MarkdownIt): void;
    amendLibrary(format: 'md', amend: (library: MarkdownIt) => void): void;
  }

  export class Eleventy {
    constructor(input: string, output: string, options: { quietMode: boolean; config: (config: Config) => void });
    write(): Promise<unknown>;
  }
}
