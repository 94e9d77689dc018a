import { appendFile, mkdir, rename, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { array, assert, asyncProperty, boolean, constantFrom, integer, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cursorAt } from '../../src/reading/cursor.js';
import { InflatedMembers } from '../../src/reading/inflated-members.js';
import { PlacedFiles } from '../../src/reading/placed-files.js';
import { planSegments } from '../../src/reading/plan.js';
import { RawChunks } from '../../src/reading/raw-chunks.js';
import { ReadPlaces } from '../../src/reading/read-places.js';
import { ReadingError } from '../../src/reading/reading-error.js';
import { segmentLines } from '../../src/reading/segment-lines.js';
import { SessionReader } from '../../src/reading/session-reader.js';
import { takeSnapshot } from '../../src/reading/snapshot.js';
import type { Files, OpenFile } from '../../src/segment/files.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { seqs } from '../support/seqs.js';
import { LogDirFixture, type Place, seqOfLine, stemOf, storedLine } from './log-dir-fixture.js';

const ID = 'session/1';
const PLACES: readonly Place[] = [
  'sealing',
  'finished-raw',
  'finished-gzip',
  'finished-unlisted',
  'sealing-and-finished',
];

async function read(reader: SessionReader, range: { afterSeq?: number; throughSeq?: number } = {}): Promise<string[]> {
  const chunks: Buffer[] = [];
  for await (const event of reader.read(ID, cursorAt(range.afterSeq ?? 0, range.throughSeq))) {
    if (event.kind === 'gap') {
      throw new Error(`nothing is gone, not even ${event.firstSeq}-${event.lastSeq}`);
    }
    expect(event.lines.bytes.at(-1)).toBe(0x0a);
    chunks.push(event.lines.bytes);
  }
  return Buffer.concat(chunks).toString().split('\n').slice(0, -1);
}

async function readSeqs(
  reader: SessionReader,
  range: { afterSeq?: number; throughSeq?: number } = {},
): Promise<number[]> {
  return (await read(reader, range)).map(seqOfLine);
}

async function tailSeqs(reader: SessionReader, count: number): Promise<number[]> {
  return readSeqs(reader, await reader.tailRange(ID, count));
}

/** Segments one after the other, with gaps in and between them; `lines` are those of the active file. */
const sessions = record({
  segments: array(
    record({
      steps: array(integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 12 }),
      place: constantFrom(...PLACES),
      memberLines: integer({ min: 1, max: 5 }),
    }),
    { maxLength: 5 },
  ),
  active: array(integer({ min: 1, max: 3 }), { maxLength: 8 }),
  isTorn: boolean(),
  fillerBytes: constantFrom(0, 0, 30_000),
});

describe('SessionReader', () => {
  it('reads segments in any of their places as the plain list of lines, from any cursor and for any tail', async () => {
    await assert(
      asyncProperty(
        sessions,
        integer({ min: 0, max: 60 }),
        integer({ min: 0, max: 40 }),
        async (session, after, tail) => {
          await using fixture = await LogDirFixture.create();
          const filler = '.'.repeat(session.fillerBytes);
          const all: number[] = [];
          const next = (step: number) => all[all.push((all.at(-1) ?? 0) + step) - 1] ?? 0;
          for (const { steps, place, memberLines } of session.segments) {
            await fixture.writeSealed(ID, steps.map(next), place, memberLines, filler);
          }
          const lines = session.active.map(next).map((seq) => storedLine(ID, seq, filler));
          const torn = session.isTorn ? storedLine(ID, 999).subarray(0, -5) : Buffer.alloc(0);
          await fixture.writeActive(ID, Buffer.concat([...lines, torn]));

          const reader = new SessionReader(nodeFiles, fixture.layout);
          const expected = all.map((seq) => storedLine(ID, seq, filler).toString().slice(0, -1));
          expect(await read(reader)).toEqual(expected);
          expect(await readSeqs(reader, { afterSeq: after })).toEqual(all.filter((seq) => seq > after));
          const through = after + tail;
          expect(await readSeqs(reader, { afterSeq: after, throughSeq: through })).toEqual(
            all.filter((seq) => seq > after && seq <= through),
          );
          expect(await tailSeqs(reader, tail)).toEqual(tail === 0 ? [] : all.slice(-tail));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('gives every line once while segments are sealed, compressed and renamed under it', async () => {
    await assert(
      asyncProperty(array(integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 60 }), async (moves) => {
        await using fixture = await LogDirFixture.create();
        const writer = new MovingSession(fixture);
        await writer.start();
        const pending = [...moves];
        // A move before every system call of the reader: the finest interleaving there is.
        const files = beforeEachCall(nodeFiles, async () => {
          const move = pending.shift();
          if (move !== undefined) {
            await writer.move(move);
          }
        });
        const before = writer.lastSeq;
        const got = await readSeqs(new SessionReader(files, fixture.layout));
        expect(got).toEqual(seqs(1, got.length));
        expect(got.length).toBeGreaterThanOrEqual(before);
        expect(got.length).toBeLessThanOrEqual(writer.lastSeq);
      }),
      { numRuns: 200 },
    );
  });

  it('finds exactly the last lines while segments move under it', async () => {
    await assert(
      asyncProperty(
        array(integer({ min: 0, max: 3 }), { maxLength: 40 }),
        integer({ min: 1, max: 30 }),
        async (moves, count) => {
          await using fixture = await LogDirFixture.create();
          const writer = new MovingSession(fixture);
          await writer.start();
          const pending = [...moves];
          const files = beforeEachCall(nodeFiles, async () => {
            const move = pending.shift();
            if (move !== undefined) {
              await writer.move(move);
            }
          });
          const { afterSeq, throughSeq } = await new SessionReader(files, fixture.layout).tailRange(ID, count);
          expect(throughSeq).toBeLessThanOrEqual(writer.lastSeq);
          expect(throughSeq - afterSeq).toBe(Math.min(count, throughSeq));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('enters a gzip file at the member that holds the next line', async () => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeSealed(ID, seqs(1, 1000), 'finished-gzip', 10, '.'.repeat(1000));
    let readBytes = 0;
    const files = countingReads(nodeFiles, (bytes) => {
      readBytes += bytes;
    });
    const reader = new SessionReader(files, fixture.layout);
    expect(await readSeqs(reader, { afterSeq: 995 })).toEqual(seqs(996, 1000));
    expect(readBytes).toBeLessThan(1_000);
    readBytes = 0;
    expect(await reader.tailRange(ID, 15)).toEqual({ afterSeq: 985, throughSeq: 1000 });
    expect(readBytes).toBeLessThan(1_000);
  });

  it('inflates no more than the members that hold what it reads, and none of them twice for two readers', async () => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeSealed(ID, seqs(1, 100), 'finished-gzip', 10, '.'.repeat(1000));
    const memberBytes = storedLine(ID, 55, '.'.repeat(1000)).length * 10;
    await assert(
      asyncProperty(integer({ min: 0, max: 100 }), integer({ min: 0, max: 100 }), async (afterSeq, throughSeq) => {
        const reader = new SessionReader(nodeFiles, fixture.layout);
        const expected = seqs(1, 100).filter((seq) => seq > afterSeq && seq <= throughSeq);
        const both = await Promise.all([
          readSeqs(reader, { afterSeq, throughSeq }),
          readSeqs(reader, { afterSeq, throughSeq }),
        ]);
        expect(both).toEqual([expected, expected]);
        const members = new Set(expected.map((seq) => Math.ceil(seq / 10))).size;
        expect(reader.inflated.inflatedBytes).toBeLessThanOrEqual(members * (memberBytes + 100));
      }),
      { numRuns: 100 },
    );
  });

  it('keeps a bounded part of what it inflated', async () => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeSealed(ID, seqs(1, 100), 'finished-gzip', 5, '.'.repeat(100_000));
    const files = new PlacedFiles(nodeFiles, new ReadPlaces(3));
    const inflated = new InflatedMembers(files, 2_000_000);
    const segment = planSegments((await takeSnapshot(nodeFiles, fixture.layout, 'session%2F1'))?.sealed ?? [], 0)[0];
    if (segment === undefined) {
      throw new Error('there is no segment');
    }
    let lines = 0;
    const access = { files, inflated, raw: new RawChunks(files), sessionId: ID, signal: undefined };
    for await (const chunk of segmentLines(access, segment, 0)) {
      lines += chunk.lastSeq - chunk.firstSeq + 1;
      expect(chunk.bytes.length).toBeLessThanOrEqual(128 * 1024);
      expect(chunk.bytes.buffer.byteLength).toBeLessThanOrEqual(128 * 1024);
      expect(inflated.keptBytes).toBeLessThanOrEqual(2_000_000);
    }
    expect(lines).toBe(100);
  });

  it('finds any line of a long raw file by halving it', async () => {
    await using fixture = await LogDirFixture.create();
    // Short lines and very long ones beside each other.
    const lines = seqs(1, 3_000).map((seq) =>
      storedLine(ID, seq * 3, '.'.repeat(seq % 500 === 0 ? 400_000 : seq % 900)),
    );
    const activeBytes = Buffer.concat(lines);
    await fixture.writeActive(ID, activeBytes);
    let readBytes = 0;
    const files = countingReads(nodeFiles, (bytes) => {
      readBytes += bytes;
    });
    const reader = new SessionReader(files, fixture.layout);
    await assert(
      asyncProperty(integer({ min: 0, max: 9_010 }), async (afterSeq) => {
        readBytes = 0;
        const next = Math.floor(afterSeq / 3) * 3 + 3;
        const expected = next > 9_000 ? [] : [next];
        expect(await readSeqs(reader, { afterSeq, throughSeq: next })).toEqual(expected);
        expect(readBytes).toBeLessThan(activeBytes.length / 2);
      }),
      { numRuns: 60, examples: [[0], [2], [3], [1_499], [1_500], [1_501], [8_999], [9_000]] },
    );
  });

  it('reads only the end of a long active file for a tail', async () => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeActive(ID, Buffer.concat(seqs(1, 2_000).map((seq) => storedLine(ID, seq, '.'.repeat(500)))));
    let readBytes = 0;
    const files = countingReads(nodeFiles, (bytes) => {
      readBytes += bytes;
    });
    expect(await new SessionReader(files, fixture.layout).tailRange(ID, 5)).toEqual({
      afterSeq: 1995,
      throughSeq: 2000,
    });
    expect(readBytes).toBeLessThanOrEqual(64 * 1024 + 100);
  });

  it('says that a session is unknown', async () => {
    await using fixture = await LogDirFixture.create();
    const reader = new SessionReader(nodeFiles, fixture.layout);
    const expected = new ReadingError('UNKNOWN_SESSION', 'there is no session "session/1"');
    await expect(read(reader)).rejects.toEqual(expected);
    await expect(reader.tailRange(ID, 1)).rejects.toEqual(expected);
  });

  it('stops where a crash left the active file, and gives nothing that is no line', async () => {
    await using fixture = await LogDirFixture.create();
    const lines = Buffer.concat(seqs(1, 5).map((seq) => storedLine(ID, seq)));
    const reader = new SessionReader(nodeFiles, fixture.layout);
    for (const tail of [Buffer.alloc(4096), Buffer.from('{"se'), Buffer.from('{"seq":6,"content":"half')]) {
      await fixture.writeActive(ID, Buffer.concat([lines, tail]));
      expect(await readSeqs(reader)).toEqual(seqs(1, 5));
      expect(await tailSeqs(reader, 2)).toEqual([4, 5]);
    }
  });

  it.each([
    ['cut short', async (path: string) => truncate(path, 120)],
    ['no gzip', async (path: string) => writeFile(path, 'not gzip at all')],
    ['other lines', async (path: string) => writeFile(path, gzipSync('hello\nworld\n'))],
  ])('says which sealed segment is damaged: %s', async (_what, damage) => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeSealed(ID, seqs(1, 5), 'finished-gzip');
    await fixture.writeSealed(ID, seqs(6, 9), 'finished-gzip');
    await damage(join(fixture.layout.sessions, 'session%2F1', `${stemOf(seqs(6, 9))}.log.gz`));
    const reader = new SessionReader(nodeFiles, fixture.layout);
    await expect(read(reader)).rejects.toMatchObject({
      code: 'DAMAGED_SEGMENT',
      message: `segment ${stemOf(seqs(6, 9))} is damaged`,
    });
    expect(await readSeqs(reader, { throughSeq: 5 })).toEqual(seqs(1, 5));
  });

  it('closes what it opened when its user stops early', async () => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeSealed(ID, seqs(1, 500), 'finished-gzip', 10, '.'.repeat(2_000));
    await fixture.writeActive(ID, storedLine(ID, 501));
    let open = 0;
    const files = countingOpens(nodeFiles, (change) => {
      open += change;
    });
    for await (const event of new SessionReader(files, fixture.layout).read(ID, cursorAt(0))) {
      expect(event.kind).toBe('lines');
      // Not even while it is there.
      expect(open).toBe(0);
      break;
    }
    expect(open).toBe(0);
  });
});

/** A session as a server moves it about: append, seal, compress, finish. */
class MovingSession {
  lastSeq = 0;
  readonly #fixture: LogDirFixture;
  #active: number[] = [];
  #sealing: number[][] = [];

  constructor(fixture: LogDirFixture) {
    this.#fixture = fixture;
  }

  async start(): Promise<void> {
    await mkdir(join(this.#fixture.layout.sealing, 'session%2F1'), { recursive: true });
    await mkdir(join(this.#fixture.layout.sessions, 'session%2F1'), { recursive: true });
    for (const move of [0, 0, 1, 0, 1, 2, 0, 0, 1, 0]) {
      await this.move(move);
    }
  }

  async move(move: number): Promise<void> {
    const { layout } = this.#fixture;
    if (move === 0 || move === 3) {
      const line = storedLine(ID, ++this.lastSeq);
      this.#active.push(this.lastSeq);
      await mkdir(layout.active, { recursive: true });
      await appendFile(this.#fixture.activePath(ID), line);
    } else if (move === 1 && this.#active.length > 0) {
      const sealed = this.#active;
      this.#active = [];
      this.#sealing.push(sealed);
      await rename(this.#fixture.activePath(ID), this.#sealingPath(sealed));
    } else if (move === 2 && this.#sealing.length > 0) {
      const [oldest = []] = this.#sealing.splice(0, 1);
      await this.#fixture.writeSealed(ID, oldest, 'finished-gzip', 2);
      await unlink(this.#sealingPath(oldest));
    }
  }

  #sealingPath(sealed: readonly number[]): string {
    return join(this.#fixture.layout.sealing, 'session%2F1', `${stemOf(sealed)}.log`);
  }
}

function beforeEachCall(files: Files, before: () => Promise<void>): Files {
  return {
    ...files,
    open: async (path, mode) => (await before(), files.open(path, mode)),
    list: async (directory) => (await before(), files.list(directory)),
    readFile: async (path) => (await before(), files.readFile(path)),
  };
}

function countingReads(files: Files, count: (bytes: number) => void): Files {
  return {
    ...files,
    async open(path, mode) {
      const file = await files.open(path, mode);
      return withMethods(file, {
        async read(buffer, offset, length, position) {
          const bytes = await file.read(buffer, offset, length, position);
          count(bytes);
          return bytes;
        },
      });
    },
  };
}

function countingOpens(files: Files, count: (change: number) => void): Files {
  return {
    ...files,
    async open(path, mode) {
      const file = await files.open(path, mode);
      count(1);
      return withMethods(file, {
        async close() {
          count(-1);
          await file.close();
        },
      });
    },
  };
}

function withMethods(file: OpenFile, methods: Partial<OpenFile>): OpenFile {
  return {
    write: (...args) => file.write(...args),
    read: (...args) => file.read(...args),
    datasync: () => file.datasync(),
    truncate: (length) => file.truncate(length),
    size: () => file.size(),
    close: () => file.close(),
    ...methods,
  };
}
