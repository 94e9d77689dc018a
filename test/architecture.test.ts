/** The house rules of docs and DESIGN §2, held by reading the source as text. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = new URL('../src/', import.meta.url).pathname;
const LINES_MAX = 300;

/** A room is a folder of src/ or one of these files. */
const FILE_ROOMS: Readonly<Record<string, string>> = {
  'main.ts': 'main',
  'logweir.cts': 'launcher',
  'service.ts': 'service',
  'start-error.ts': 'service',
  'system-reason.ts': 'config',
  'storage-events.ts': 'service',
  'core.ts': 'service',
  'config.ts': 'config',
  'config-variable.ts': 'config',
  'config-variables.ts': 'config',
  'connection-variables.ts': 'config',
  'edit-distance.ts': 'config',
  'redis-url.ts': 'config',
};

const EDGES = ['grpc', 'http', 'amqp', 'lifecycle'];
const CORE = ['session', 'sealing', 'reading'];
const FILES = ['segment', 'frame'];

/** What a room may import besides itself and telemetry, which is everybody's. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  launcher: ['main'],
  main: ['commands', 'config'],
  commands: ['service', 'config', 'client', 'reading', ...FILES],
  service: ['config', 'access', ...EDGES, ...CORE, ...FILES],
  config: [],
  grpc: ['access', ...CORE, ...FILES],
  http: ['access', ...CORE, ...FILES],
  amqp: [...CORE, ...FILES],
  lifecycle: [...CORE, ...FILES],
  access: [],
  session: FILES,
  sealing: FILES,
  reading: FILES,
  segment: ['frame'],
  frame: [],
  telemetry: [],
  client: ['frame', 'grpc/generated'],
};

/** The disk is reached through `Files`; these stand behind it, beside it, or outside the service. */
const DISK_ROOMS = ['main', 'commands', 'config', 'client'];
const DISK_FILES = [
  'segment/node-files.ts',
  'segment/system-calls.ts',
  'segment/directory-lock.ts',
  // The worker's side: a thread reads and writes whole segments by itself.
  'sealing/gzip-worker.ts',
  'sealing/thread-disk.ts',
  // Looks where the build has put the worker: a part of the program, too.
  'sealing/compression-pool.ts',
  // The descriptor set of the protocol, once at the start: a part of the program, not of LOG_DIR.
  'service.ts',
  // The compiled assembly/, once at the start: a part of the program, too.
  'frame/run-encoder.ts',
];
const DISK_MODULE = /^(?:node:)?fs(?:\/promises)?$/;

interface SourceFile {
  /** Relative to src/, with `/`. */
  readonly path: string;
  readonly room: string;
  readonly text: string;
  /** Without comments, so that prose breaks no rule. */
  readonly code: string;
  readonly imports: readonly string[];
}

/** Module specifiers of `import … from`, `export … from`, `import '…'`, `import('…')` and `require('…')`. */
function importsOf(code: string): string[] {
  return [...code.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)(['"])([^'"\n]+)\1/g)].map(
    ([, , specifier]) => specifier ?? '',
  );
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function roomOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : (FILE_ROOMS[path] ?? `(no room: ${path})`);
}

function isGenerated(path: string): boolean {
  return path.startsWith('grpc/generated/');
}

const files: SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.c?ts$/.test(path) && !isGenerated(path))
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8');
    const code = withoutComments(text);
    return { path, room: roomOf(path), text, code, imports: importsOf(code) };
  });

/** The file that a relative specifier means, relative to src/; null for a package. */
function targetOf(file: SourceFile, specifier: string): string | null {
  return specifier.startsWith('.')
    ? normalize(join(dirname(file.path), specifier)).replace(/\.(c?)js$/, '.$1ts')
    : null;
}

function offenders(breaks: (file: SourceFile) => readonly string[]): string[] {
  return files.flatMap((file) => breaks(file).map((what) => `${file.path}: ${what}`));
}

const containing =
  (pattern: RegExp) =>
  ({ code }: SourceFile): string[] =>
    code.match(pattern) ?? [];

describe('architecture', () => {
  it('reads the imports it judges', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.find(({ path }) => path === 'main.ts')?.imports).toContain('./commands/program.js');
    expect(importsOf(`import a from 'a';\nexport * from "b";\nimport 'c';\nawait import('d');`)).toEqual([
      'a',
      'b',
      'c',
      'd',
    ]);
  });

  it('knows every room', () => {
    expect(files.filter(({ room }) => MAY_IMPORT[room] === undefined).map(({ path }) => path)).toEqual([]);
  });

  it('imports never point back to the left', () => {
    const forbidden = offenders((file) =>
      file.imports.filter((specifier) => {
        const target = targetOf(file, specifier);
        if (target === null || roomOf(target) === file.room || roomOf(target) === 'telemetry') {
          return false;
        }
        const allowed = MAY_IMPORT[file.room] ?? [];
        return !allowed.includes(roomOf(target)) && !allowed.some((prefix) => target.startsWith(`${prefix}/`));
      }),
    );
    expect(forbidden).toEqual([]);
  });

  it('every file stays within 300 lines', () => {
    expect(
      offenders(({ text }) => {
        const lines = text.trimEnd().split('\n').length;
        return lines > LINES_MAX ? [`${lines} lines`] : [];
      }),
    ).toEqual([]);
  });

  it('the disk is reached through Files', () => {
    const others = files.filter(({ room, path }) => !DISK_ROOMS.includes(room) && !DISK_FILES.includes(path));
    expect(
      others.filter(({ imports }) => imports.some((name) => DISK_MODULE.test(name))).map(({ path }) => path),
    ).toEqual([]);
  });

  it('config.ts alone reads the environment; the launcher sets one variable', () => {
    const readers = files.filter(({ path }) => path !== 'config.ts' && path !== 'logweir.cts');
    expect(readers.filter(({ code }) => /process\.env\b/.test(code)).map(({ path }) => path)).toEqual([]);
    const launcher = files.find(({ path }) => path === 'logweir.cts');
    expect(launcher?.code.match(/process\.env\b.*/g)).toEqual([`process.env['UV_THREADPOOL_SIZE'] ||= '16';`]);
  });

  it('main.ts alone ends the process', () => {
    const pattern = /process\.(?:exit\b|exitCode|abort|reallyExit|kill)/g;
    expect(offenders((file) => (file.path === 'main.ts' ? [] : containing(pattern)(file)))).toEqual([]);
  });

  it('there are no default exports, no barrels, no rooms for odds and ends', () => {
    expect(offenders(containing(/^export default\b|\bas default\b/gm))).toEqual([]);
    expect(offenders(containing(/^export (?:\*|\{[^}]*\}) from .*/gm))).toEqual([]);
    const names = files.flatMap(({ path }) => [basename(path).replace(/\.c?ts$/, ''), ...dirname(path).split('/')]);
    expect(names.filter((name) => /^(?:index|.*-?(?:utils?|common|helpers?|misc))$/.test(name))).toEqual([]);
  });
});
