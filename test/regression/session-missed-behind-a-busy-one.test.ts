/** To whoever watches all sessions, and is behind, one that is written all the time hid all others that it had missed. */
import { expect, it } from 'vitest';
import type { Cursor, StoredEvent } from '../../src/reading/cursor.js';
import { watchAll } from '../../src/reading/firehose.js';
import { LiveHub } from '../../src/reading/live-hub.js';
import { LogLines } from '../../src/reading/log-events.js';
import { storedLine } from '../reading/log-dir-fixture.js';

it('a session that was missed comes, however busy another one is', async () => {
  const hub = new LiveHub();
  const write = (session: string, seq: number, filler: string): void => {
    const line = storedLine(session, seq, filler);
    hub.written(session, line, 0, line.length);
  };
  // As the files have them: no more than one line of what was written.
  async function* readUpTo(session: string, written: number, cursor: Cursor): AsyncGenerator<StoredEvent, void> {
    await Promise.resolve();
    cursor.seq = written;
    yield { kind: 'lines', lines: new LogLines(session, written, written, storedLine(session, written, '')) };
  }
  const stop = new AbortController();
  const events = watchAll(hub, { readUpTo, isOver: () => Promise.resolve(true) }, stop.signal);
  const first = events.next();
  let busySeq = 1;
  write('busy', busySeq, '');
  expect((await first).value).toMatchObject({ sessionId: 'busy' });
  for (let lines = 0; lines < 3; lines++) {
    write('busy', ++busySeq, '.'.repeat(1 << 19));
    write('quiet', lines + 1, '');
  }
  const seen: string[] = [];
  while (!seen.includes('quiet 3') && seen.length < 10) {
    const { value } = await events.next();
    seen.push(`${value?.sessionId} ${value?.kind === 'lines' ? value.lines.lastSeq : value?.kind}`);
    write('busy', ++busySeq, '');
  }
  expect(seen).toContain('quiet 3');
  stop.abort();
  expect((await events.return()).done).toBe(true);
  expect(hub.listeners).toBe(0);
});
