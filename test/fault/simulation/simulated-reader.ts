import { gunzipSync } from 'node:zlib';
import { sessionName } from '../../../src/segment/layout.js';
import { lineSeq } from '../../../src/segment/line.js';
import type { ReadLines } from '../../../src/session/stored-lookups.js';
import type { DiskAccess } from './simulated-files.js';

const SEGMENT = /^\/logs\/(?:active|sealing|sessions)\/([^/]+?)(?:\.logtmp$|\/\d+-\d+_\w+\.log(?:\.gz)?$)/;

/**
 * The stored lines of a session, in the order of their seq, as the reader has them: that one inflates in threads, which no
 * seed repeats. All of them are read in one event.
 */
export function simulatedReader({ disk, weather, clock }: DiskAccess): ReadLines {
  return async function* (sessionId, afterSeq) {
    await new Promise<void>((resolve, reject) => {
      clock.labelled(weather.latencyMs('read'), `read lines of ${sessionId}`, () => {
        const error = weather.errorOf('read');
        if (error === null) {
          resolve();
        } else {
          reject(error);
        }
      });
    });
    const lines = new Map<number, string>();
    for (const [path, bytes] of disk.snapshot()) {
      if (SEGMENT.exec(path)?.[1] === sessionName(sessionId)) {
        for (const line of wholeLines(path.endsWith('.gz') ? gunzipSync(bytes) : bytes)) {
          lines.set(lineSeq(Buffer.from(line), 0), line);
        }
      }
    }
    const wanted = [...lines].filter(([seq]) => seq > afterSeq).toSorted(([one], [other]) => one - other);
    if (wanted.length > 0) {
      yield Buffer.from(wanted.map(([, line]) => line).join(''));
    }
  };
}

function wholeLines(bytes: Buffer): string[] {
  return bytes
    .toString('utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => `${line}\n`);
}
