/** A line that opened a session again while its end was being told came in front of that end, which named a line before it. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { StoredEvent } from '../../src/reading/cursor.js';
import { SessionLogSource } from '../../src/reading/session-log-source.js';
import { SessionReader } from '../../src/reading/session-reader.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { collect, LiveCore, seqsIn } from '../reading/live-core.js';

it('the end of a session is behind its own lines alone', async () => {
  await using live = await LiveCore.open(await mkdtemp(join(tmpdir(), 'logweir-live-')));
  const frame = { session_id: 's', content: 'x' };
  await live.take([frame, frame]);
  const completion = await live.complete('s');

  /** The session goes on when its files are read for the last time. */
  class RacingReader extends SessionReader {
    #readings = 0;

    override async *read(...args: Parameters<SessionReader['read']>): AsyncGenerator<StoredEvent, void> {
      this.#readings++;
      if (this.#readings === 2) {
        await live.take([frame]);
      }
      yield* super.read(...args);
    }
  }
  const source = new SessionLogSource({
    reader: new RacingReader(nodeFiles, live.layout),
    hub: live.hub,
    completionOf: () => Promise.resolve(completion),
    settled: () => live.core.sessions.registry.whenDurable('s'),
  });
  const events = await collect(source.read('s', { follow: true }), (seen) => seen.length > 5);
  expect(events.at(-1)).toEqual({ kind: 'end', lastSeq: 2, completion });
  expect(seqsIn(events)).toEqual([1, 2]);
}, 20_000);
