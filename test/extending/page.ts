/** Additions that docs/extending.md shows. */
import { read } from '../docs/pages.ts';

/** A section of the page. */
export interface Addition {
  /** Number of files that the section gives. */
  readonly count: number;
  /** Files that it names as touched. */
  readonly files: readonly string[];
  /** New files by their paths. */
  readonly created: ReadonlyMap<string, string>;
  /** Changes of existing files, as unified diffs. */
  readonly diffs: readonly string[];
}

const GENERATES = /^`npm run generate` writes the files that follow from the others([\s\S]*?)\.\n/m;
const TOUCHES = /It touches (\d+) files: ([^.]*(?:\.\w[^.]*)*)\.\n/;
const NEW_FILE = /^New file `([^`]+)`:\n\n```ts\n([\s\S]*?)^```$/gm;
const DIFF = /^```diff\n([\s\S]*?)^```$/gm;

const PAGE = read('docs/extending.md');

const namesIn = (text: string): string[] => [...text.matchAll(/`([\w./-]+\.\w+)`/g)].map(([, name]) => name!);

/** Files that `npm run generate` writes, as the page names them. */
export const GENERATED_FILES: readonly string[] = namesIn(GENERATES.exec(PAGE)![1]!);

/** Additions by the headings of their sections. */
export const ADDITIONS: ReadonlyMap<string, Addition> = new Map(
  PAGE.split(/^## /m)
    .slice(1)
    .map((section) => {
      const heading = section.slice(0, section.indexOf('\n'));
      const [, count, files] = TOUCHES.exec(section)!;
      const created = new Map([...section.matchAll(NEW_FILE)].map(([, path, text]) => [path!, text!]));
      const diffs = [...section.matchAll(DIFF)].map(([, diff]) => diff!);
      const blocks = section.match(/^```\w+$/gm) ?? [];
      if (blocks.length > created.size + diffs.length)
        throw new Error(`${heading}: a block is neither a file nor a diff`);
      return [heading, { count: Number(count), files: namesIn(files!), created, diffs }];
    }),
);
