/** A copy of the tree, to which an addition is applied. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { ROOT } from '../e2e/process.ts';
import type { Addition } from './page.ts';

/** Milliseconds for one command. */
const COMMAND_MS = 300_000;

const LIST = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];

export class Copy {
  readonly folder = mkdtempSync(join(tmpdir(), 'lossmeter-extending-'));

  constructor() {
    const listed = execFileSync('git', LIST, { cwd: ROOT, encoding: 'utf8' }).split('\0');
    for (const path of [...listed, 'kernels/build', 'vendor/dist']) {
      if (path !== '' && existsSync(join(ROOT, path))) cpSync(join(ROOT, path), this.#at(path), { recursive: true });
    }
    this.#run('git', ['init', '--quiet']);
    this.#run('git', ['add', '--all']);
    symlinkSync(join(ROOT, 'node_modules'), this.#at('node_modules'));
  }

  apply({ created, diffs }: Addition): void {
    for (const [path, text] of created) {
      mkdirSync(dirname(this.#at(path)), { recursive: true });
      writeFileSync(this.#at(path), text, { flag: 'wx' });
    }
    for (const diff of diffs) this.#run('git', ['apply'], diff);
  }

  /** Writes the generated files, and compiles the kernels when theirs have changed. @returns errors of the compiler */
  async build(): Promise<string[]> {
    await this.#start('kernels/generate.ts');
    if (this.changedFiles().some((path) => path.startsWith('kernels/'))) await this.#start('kernels/build.js');
    await this.#start('openapi/generate.ts');
    return this.#typeErrors();
  }

  /** Files that the copy adds or changes. */
  changedFiles(): string[] {
    const lines = this.#run('git', ['status', '--porcelain', '--untracked-files=all', '-z']).split('\0');
    const paths = lines.filter((line) => !line.startsWith('A  ')).map((line) => line.slice('XY '.length));
    return paths.filter((path) => path !== '' && path !== 'node_modules');
  }

  /** Errors of the compiler. Errors in tests are excluded: tests have their own tables. */
  async #typeErrors(): Promise<string[]> {
    const compiler = spawn('node_modules/.bin/tsc', ['--noEmit', '--pretty', 'false'], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: COMMAND_MS,
    });
    const [output, [code]] = await Promise.all([text(compiler.stdout), once(compiler, 'close')]);
    const errors = output.split('\n').filter((line) => /^\S/.test(line));
    if (code !== 0 && errors.length === 0) throw new Error(`the compiler ended with ${code}`);
    return errors.filter((line) => !line.startsWith('test/'));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #start(script: string): Promise<void> {
    await promisify(execFile)(process.execPath, [script], { cwd: this.folder, timeout: COMMAND_MS });
  }

  #at(path: string): string {
    return join(this.folder, path);
  }

  #run(command: string, args: string[], input = ''): string {
    return execFileSync(command, args, {
      cwd: this.folder,
      input,
      encoding: 'utf8',
      stdio: 'pipe',
      timeout: COMMAND_MS,
    });
  }
}
