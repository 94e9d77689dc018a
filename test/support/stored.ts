import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
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
 * active one. A segment that is finished but whose raw file is not removed yet counts once.
 */
export async function storedText(logDir: string, name: string): Promise<string> {
  const byRange = new Map<string, string>();
  for (const room of ['sealing', 'sessions']) {
    const directory = join(logDir, room, name);
    for (const file of (await readdir(directory).catch(() => [])).filter((entry) => /\.log(\.gz)?$/.test(entry))) {
      const bytes = await readFile(join(directory, file));
      byRange.set(file.slice(0, 33), (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'));
    }
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
