/**
 * A crash may leave anything at the end of the active file. Where that held line ends, sound lines before it, up to a whole chunk, were
 * told as gone.
 */
import { describe, expect, it } from 'vitest';
import { LiveHub } from '../../src/reading/live-hub.js';
import { SessionLogSource } from '../../src/reading/session-log-source.js';
import { SessionReader } from '../../src/reading/session-reader.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { collect, seqsIn } from '../reading/live-core.js';
import { LogDirFixture, storedLine } from '../reading/log-dir-fixture.js';
import { seqs } from '../support/seqs.js';

/** Lines 1 to 10 in a finished segment, then an active file. */
async function sessionEndingIn(active: readonly Buffer[]): Promise<LogDirFixture> {
  const fixture = await LogDirFixture.create();
  await fixture.writeSealed('s', seqs(1, 10), 'finished-gzip');
  await fixture.writeActive('s', Buffer.concat(active));
  return fixture;
}

function readersOf({ layout }: LogDirFixture) {
  const reader = new SessionReader(nodeFiles, layout);
  const source = new SessionLogSource({
    reader,
    hub: new LiveHub(),
    completionOf: () => Promise.resolve(null),
    settled: () => Promise.resolve(),
  });
  return { reader, source };
}

const GARBAGE: [string, Buffer][] = [
  ['zeros', Buffer.alloc(5_000)],
  ['zeros and a line end', Buffer.concat([Buffer.alloc(5_000), Buffer.from('\n')])],
  ['zeros, as many as some chunks, and a line end', Buffer.concat([Buffer.alloc(500_000), Buffer.from('\n')])],
  ['half a line', Buffer.from('{"seq":33,"content":"ha')],
  ['other lines', Buffer.alloc(300, '\u0080\n{"seq":\n')],
];

describe('an active file that a crash left with garbage at its end', () => {
  it.each(GARBAGE)('ends with its last sound line: %s', async (_what, garbage) => {
    for (const filler of ['', '.'.repeat(20_000)]) {
      await using fixture = await sessionEndingIn([
        ...seqs(11, 40).map((seq) => storedLine('s', seq, filler)),
        garbage,
      ]);
      const { reader, source } = readersOf(fixture);
      expect(await reader.tailRange('s', 0)).toEqual({ afterSeq: 40, throughSeq: 40 });
      expect(await reader.tailRange('s', 32)).toEqual({ afterSeq: 8, throughSeq: 40 });
      for (const afterSeq of [0, 20, 39, 40]) {
        const events = await collect(source.read('s', { afterSeq }));
        expect(seqsIn(events)).toEqual(seqs(afterSeq + 1, 40));
        expect(events.filter(({ kind }) => kind !== 'lines')).toEqual([{ kind: 'end', lastSeq: 40, completion: null }]);
      }
    }
  });

  it.each(GARBAGE)('and nothing else is passed over: %s', async (_what, garbage) => {
    await using fixture = await sessionEndingIn([garbage]);
    const events = await collect(readersOf(fixture).source.read('s', {}));
    expect(seqsIn(events)).toEqual(seqs(1, 10));
    expect(events.at(-1)).toEqual({ kind: 'end', lastSeq: 10, completion: null });
  });

  it('ends the reading without an error, also when a line stands behind the garbage', async () => {
    const garbage = Buffer.concat([Buffer.from('x\n'), Buffer.alloc(150_000), Buffer.from('\n')]);
    await using fixture = await sessionEndingIn([storedLine('s', 11), garbage, storedLine('s', 12)]);
    const events = await collect(readersOf(fixture).source.read('s', {}));
    expect(seqsIn(events).slice(0, 10)).toEqual(seqs(1, 10));
    expect(events.at(-1)).toEqual({ kind: 'end', lastSeq: 12, completion: null });
  });
});
