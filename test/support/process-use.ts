import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** What /proc says of a process. */
function statusBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1024;
}

export function rssBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

/** Starts to look for the highest RSS; the returned function gives by how much it passed what it is now. */
export function watchRss(pid: number): () => number {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const before = rssBytes(pid);
  return () => statusBytes(pid, 'VmHWM') - before;
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Values of a metric by its labels as they are written; the empty text when it has none. */
export async function metric(http: string, name: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const values = new Map<string, number>();
  for (const [, labels, value] of text.matchAll(new RegExp(`^${name}(?:\\{([^}]*)\\})? (\\S+)$`, 'gm'))) {
    values.set(labels ?? '', Number(value));
  }
  return values;
}
