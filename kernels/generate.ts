/**
 * Writes the files that are generated from the table of kernels. Run by `npm run generate`; a test compares the files
 * with the output.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format } from 'oxfmt';
import { ELEMENT_TYPES, FLOAT_DTYPES, KERNEL_DTYPES } from '../src/tensor/dtype.ts';
import type { FloatDType } from '../src/tensor/dtype.ts';
import { code, table } from '../tools/markdown.ts';
import { KERNELS, LAYOUTS, PARAMETERS } from './table.ts';
import type { KernelRow, Layout, Parameter } from './table.ts';

const FOLDER = new URL('.', import.meta.url);

const HEADER = '// Generated from table.ts by `npm run generate`.';

const WIDTH = { f64: 8, i32: 4 } as const;
const VIEW = { f64: 'Float64Array', i32: 'Int32Array' } as const;

const prefixOf = (dtype: FloatDType): string => ELEMENT_TYPES[dtype].float.kernel;

const dtypes: readonly FloatDType[] = FLOAT_DTYPES;
const kernels = Object.entries<KernelRow>(KERNELS);
const layouts = Object.entries<Layout>(LAYOUTS);

/** Hash of abi.ts, the exports and the layouts. The bindings reject a build with a different number. */
const INTERFACE =
  createHash('sha256')
    .update(readFileSync(new URL('abi.ts', FOLDER)))
    .update(
      JSON.stringify([
        kernels.map(([name, { dtypes: own, parameters, returns }]) => [
          name,
          own.map(prefixOf),
          parameters.map((parameter) => [parameter, PARAMETERS[parameter][0]]),
          returns,
        ]),
        layouts.map(([name, { columns }]) => [name, Object.entries(columns).map(([column, [type]]) => [column, type])]),
      ]),
    )
    .digest()
    .readUInt32LE() >>> 1;

const camelCase = (name: string): string => name.replaceAll(/_(\w)/g, (_match, letter: string) => letter.toUpperCase());

/** A doc comment in lines of at most 120 characters. */
function comment(text: string, indent = ''): string {
  if (indent.length + text.length <= 113) return `${indent}/** ${text} */`;
  const lines = [''];
  for (const word of text.split(' ')) {
    if (lines.at(-1)!.length + word.length > 114 - indent.length) lines.push('');
    lines[lines.length - 1] += ` ${word}`;
  }
  return [`${indent}/**`, ...lines.map((line) => `${indent} *${line}`), `${indent} */`].join('\n');
}

/** Exports of the WebAssembly file: every kernel for each of its dtypes. */
function assemblyExports(): string {
  const byFile = Map.groupBy(kernels, ([, { file }]) => file);
  const imports = [...byFile.keys()].toSorted().map((file) => {
    const names = new Set(byFile.get(file)!.map(([, { calls }]) => calls.replace('<T>', '')));
    return `import { ${[...names].join(', ')} } from './${file}';`;
  });
  const types = dtypes.map(prefixOf).filter((type) => type !== 'f32' && type !== 'f64');
  const functions = kernels.map(([name, { calls, dtypes, parameters, returns }]) => {
    const declared = parameters.map((parameter) => `${parameter}: ${PARAMETERS[parameter][0]}`).join(', ');
    const call = `${returns === 'void' ? '' : 'return '}${calls}(${parameters.join(', ')});`;
    const define = (prefix: string, type: string): string =>
      `export function ${prefix}${name}(${declared}): ${returns} {\n  ${call.replace('<T>', `<${type}>`)}\n}`;
    if (dtypes.length === 0) return define('', '');
    return dtypes.map((dtype) => define(`${prefixOf(dtype)}_`, prefixOf(dtype))).join('\n');
  });
  return `${[
    HEADER,
    '/** The exports, `<dtype>_<kernel>`. ../NAMING.md describes them. */',
    [`import { ${types.toSorted().join(', ')} } from './storage';`, ...imports].join('\n'),
    ...functions,
    `export function interface_number(): u32 {\n  return ${INTERFACE};\n}`,
  ].join('\n\n')}\n`;
}

/** Offsets of columns, for both languages. */
function layoutOffsets(): string {
  const classes = layouts.map(([name, { columns }]) => {
    let offset = 0;
    const lines = Object.entries(columns).map(([column, [type]]) => {
      if (offset % WIDTH[type] > 0) throw new Error(`${name}: columns of f64 come first`);
      const line = `  static readonly ${column}: usize = ${offset};`;
      offset += WIDTH[type];
      return line;
    });
    return [
      comment(`Offsets of the columns of ${name}, in bytes a row, and their sum.`),
      `export class ${name}Layout {`,
      ...lines,
      `  static readonly bytes: usize = ${offset};`,
      '}',
    ].join('\n');
  });
  return `${[HEADER, comment('A column of `rows` entries begins at its offset times `rows`.'), ...classes].join('\n\n')}\n`;
}

/** Columns of a layout as typed arrays, and the function that copies them out of the memory. */
function columnReader([name, { meaning, isInput, columns }]: [string, Layout]): string {
  const fields = Object.entries(columns).map(
    ([column, [type, columnMeaning]]) =>
      `${comment(columnMeaning, '  ')}\n  ${column}: ${VIEW[type]}${isInput ? '' : '<ArrayBuffer>'};`,
  );
  const declared = `${comment(`${meaning} All columns have an entry per row.`)}
export interface ${name} {
${fields.join('\n')}
}`;
  if (isInput) return declared;
  const reads = Object.entries(columns).map(
    ([column, [type]]) => `    ${column}: arena.${type}(at + rows * ${name}Layout.${column}, rows).slice(),`,
  );
  return `${declared}

${comment(`Copies the columns of ${name} out of the memory.`)}
export function read${name}(arena: Arena, at: number, rows: number): ${name} {
  return {
${reads.join('\n')}
  };
}`;
}

/** Method that calls the exports of a kernel. */
function binding([name, { dtypes, parameters, returns, meaning }]: [string, KernelRow]): string {
  const names = parameters.join(', ');
  const declared = [
    ...(dtypes.length === 0 ? [] : [`dtype: ${dtypes.map((dtype) => `'${dtype}'`).join(' | ')}`]),
    ...(parameters.length === 0
      ? []
      : [`{ ${names} }: Pick<Arguments, ${parameters.map((parameter) => `'${parameter}'`).join(' | ')}>`]),
  ].join(', ');
  const call = `this.#${camelCase(name)}${dtypes.length === 0 ? '' : '[dtype]'}(${names});`;
  return `${comment(meaning, '  ')}
  ${camelCase(name)}(${declared}): ${returns === 'void' ? 'void' : 'number'} {
    ${returns === 'void' ? '' : 'return '}${call}
  }`;
}

function bindings(): string {
  const fields = kernels.map(
    ([name, { dtypes }]) => `  readonly #${camelCase(name)}: ${dtypes.length === 0 ? 'NumericFunction' : 'ByDType'};`,
  );
  const assignments = kernels.map(
    ([name, { dtypes }]) =>
      `    this.#${camelCase(name)} = ${dtypes.length === 0 ? `exports.${name}!` : `byDType(exports, '${name}')`};`,
  );
  const parameters = Object.entries(PARAMETERS).map(
    ([name, [, meaning]]) => `${comment(meaning, '  ')}\n  ${name}: number;`,
  );
  return `${HEADER}

import type { FloatDType } from '../src/tensor/dtype.ts';
import type { Arena } from './arena.ts';
import { ${layouts.flatMap(([name, { isInput }]) => (isInput ? [] : [`${name}Layout`])).join(', ')} } from './layouts.ts';

type NumericFunction = (...values: number[]) => number;

/** Functions that a WebAssembly instance exports. */
export type Exports = Readonly<Record<string, NumericFunction>>;

/** Exports of one kernel. */
type ByDType = Readonly<Record<FloatDType, NumericFunction>>;

function byDType(exports: Exports, kernel: string): ByDType {
  return {
${dtypes.map((dtype) => `    ${dtype}: exports[\`${prefixOf(dtype)}_\${kernel}\`]!,`).join('\n')}
  };
}

/** Arguments of the kernels. Addresses are bytes in the memory of the instance. */
interface Arguments {
${parameters.join('\n')}
}

/** Kernels that store a column and need only the rows and their results. */
export type ColumnKernel = ${kernels.flatMap(([name, { stores }]) => (stores === 'column' ? [`'${camelCase(name)}'`] : [])).join(' | ')};

/** Calls the exports of an instance by named arguments. */
export class Bindings {
${fields.join('\n')}

  constructor(exports: Exports) {
    if (exports['interface_number']?.() !== ${INTERFACE}) {
      throw new Error('kernels/build has another interface than these sources: run \`npm run build:kernels\`');
    }
${assignments.join('\n')}
  }

${kernels.map(binding).join('\n\n')}
}

${layouts.map(columnReader).join('\n\n')}
`;
}

const codes = (names: readonly string[]): string => names.map(code).join(', ');

const dtypesOf = ({ dtypes }: KernelRow): string =>
  dtypes.length === KERNEL_DTYPES.length ? 'all' : codes(dtypes.map(prefixOf));

/** Tables of NAMING.md by the NAME of their section: <!-- generated: NAME --> … <!-- end --> */
const TABLES: Record<string, () => string> = {
  dtypes: () =>
    table(
      ['prefix', 'dtype'],
      dtypes.map((dtype) => [code(prefixOf(dtype)), dtype]),
    ),
  kernels: () =>
    table(
      ['kernel', 'dtypes', 'parameters', 'result', 'meaning'],
      kernels.map(([name, row]) => [
        code(name),
        dtypesOf(row),
        codes(row.parameters),
        row.returns === 'void' ? '' : code(row.returns),
        row.meaning,
      ]),
    ),
  parameters: () =>
    table(
      ['parameter', 'type', 'meaning'],
      (Object.keys(PARAMETERS) as Parameter[]).map((name) => [
        code(name),
        code(PARAMETERS[name][0]),
        PARAMETERS[name][1],
      ]),
    ),
  layouts: () =>
    table(
      ['columns', 'column', 'type', 'meaning'],
      layouts.flatMap(([name, { columns }]) =>
        Object.entries(columns).map(([column, [type, meaning]]) => [name, code(column), code(type), meaning]),
      ),
    ),
};

const PLACE = /<!-- generated: (\w+) -->\n[\s\S]*?<!-- end -->/g;

/** Expected text of every generated file, by path relative to this folder. */
export async function generate(): Promise<Map<string, string>> {
  const naming = await readFile(new URL('NAMING.md', FOLDER), 'utf8');
  const options = JSON.parse(await readFile(new URL('../.oxfmtrc.json', FOLDER), 'utf8')) as Record<string, unknown>;
  const formatted = async (path: string, text: string): Promise<string> => (await format(path, text, options)).code;
  return new Map([
    ['assembly/index.ts', await formatted('index.ts', assemblyExports())],
    ['layouts.ts', await formatted('layouts.ts', layoutOffsets())],
    ['bindings.ts', await formatted('bindings.ts', bindings())],
    [
      'NAMING.md',
      naming.replace(PLACE, (_place, name: string) => `<!-- generated: ${name} -->\n${TABLES[name]!()}\n<!-- end -->`),
    ],
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of await generate()) await writeFile(new URL(path, FOLDER), text);
}
