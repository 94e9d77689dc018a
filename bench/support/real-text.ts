/**
 * Lines that people wrote: the package documentation and READMEs of this machine, in the order of their paths, so that the generator
 * and the checker read the same ones. One repeated sentence would make every compressor look good.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { REPOSITORY } from './repository.js';

const DIRECTORIES = ['/usr/share/doc', join(REPOSITORY, 'node_modules')];
const DEPTH_MAX = 4;
const FILE = /^(readme(\.[a-z]+)?|changelog(\.[a-z.]+)?|copyright|news(\.[a-z.]+)?)$/i;
const FILE_BYTES_MAX = 512 * 1024;
/** Enough that no compressor's window holds it. */
const CORPUS_BYTES_MAX = 24 * 1024 * 1024;
const LINE_BYTES_MIN = 20;
const LINE_BYTES_MAX = 400;

let lines: string[] | null = null;

export function realTextLines(): readonly string[] {
  lines ??= readLines();
  if (lines.length === 0) {
    throw new Error(`no documentation to read in ${DIRECTORIES.join(' and ')}`);
  }
  return lines;
}

function readLines(): string[] {
  const found: string[] = [];
  for (const directory of DIRECTORIES) {
    let bytes = 0;
    for (const path of documents(directory, DEPTH_MAX)) {
      for (const line of textOf(path).split('\n')) {
        const trimmed = line.trimEnd();
        if (trimmed.length >= LINE_BYTES_MIN && trimmed.length <= LINE_BYTES_MAX) {
          found.push(trimmed);
          bytes += trimmed.length;
        }
      }
      if (bytes > CORPUS_BYTES_MAX / DIRECTORIES.length) {
        break;
      }
    }
  }
  return found;
}

function* documents(directory: string, depth: number): Generator<string> {
  let entries: string[];
  try {
    entries = readdirSync(directory).toSorted();
  } catch {
    return;
  }
  for (const name of entries) {
    const path = join(directory, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isDirectory() === true && depth > 0 && !name.startsWith('.')) {
      yield* documents(path, depth - 1);
    } else if (stats?.isFile() === true && FILE.test(name) && stats.size <= FILE_BYTES_MAX) {
      yield path;
    }
  }
}

function textOf(path: string): string {
  const bytes = readFileSync(path);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}
