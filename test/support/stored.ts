import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';

export interface StoredLine {
  seq: number;
  time: string;
  session_id: string;
  content?: string;
  [field: string]: unknown;
}

/**
 * Everything that LOG_DIR holds of a session, read independently of the code under test: finished segments, sealed ones, the
 * active one. A segment that is finished but whose raw file is not removed yet counts once. Files that moved meanwhile are
 * read again.
 */
export async function storedText(logDir: string, name: string): Promise<string> {
  for (;;) {
    const before = await segmentFiles(logDir, name);
    const text = await textOf(logDir, name, before).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') {
        throw error;
      }
      return null;
    });
    if (text !== null && before.join() === (await segmentFiles(logDir, name)).join()) {
      return text;
    }
  }
}

/** Relative to LOG_DIR. */
async function segmentFiles(logDir: string, name: string): Promise<string[]> {
  const found: string[] = [];
  for (const directory of [join('sealing', name), join('sessions', name)]) {
    const files = await readdir(join(logDir, directory)).catch(() => []);
    found.push(...files.filter((file) => /\.log(\.gz)?$/.test(file)).map((file) => join(directory, file)));
  }
  return found;
}

async function textOf(logDir: string, name: string, files: readonly string[]): Promise<string> {
  const byRange = new Map<string, string>();
  for (const file of files) {
    const bytes = await readFile(join(logDir, file));
    byRange.set(basename(file).slice(0, 33), (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'));
  }
  const sealed = [...byRange].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, text]) => text);
  const active = await readFile(join(logDir, 'active', `${name}.logtmp`), 'utf8').catch(() => '');
  return sealed.join('') + active;
}

export async function storedLines(logDir: string, name: string): Promise<StoredLine[]> {
  const text = await storedText(logDir, name);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as StoredLine);
}
