import { appendFile } from 'node:fs/promises';
import { array, assert, asyncProperty, integer, oneof } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeptPieces, type Piece } from '../../src/reading/kept-pieces.js';
import { CHUNK_BYTES, linesOf } from '../../src/reading/line-chunks.js';
import type { LogLines } from '../../src/reading/log-events.js';
import { PlacedFiles } from '../../src/reading/placed-files.js';
import { RawChunks, type RawFile } from '../../src/reading/raw-chunks.js';
import { rawLines } from '../../src/reading/raw-lines.js';
import { ReadPlaces } from '../../src/reading/read-places.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { LogDirFixture, storedLine } from './log-dir-fixture.js';

const ID = 's';

/** The active file of a session, of lines of such lengths, and who reads it. */
async function written(
  fixture: LogDirFixture,
  fillers: readonly number[],
): Promise<{ lines: readonly Buffer[]; files: PlacedFiles; raw: RawChunks; file: RawFile }> {
  const lines = fillers.map((bytes, index) => storedLine(ID, index + 1, '.'.repeat(bytes)));
  const bytes = Buffer.concat(lines);
  await fixture.writeActive(ID, bytes);
  const files = new PlacedFiles(nodeFiles, new ReadPlaces(3));
  const path = fixture.activePath(ID);
  return {
    lines,
    files,
    raw: new RawChunks(files),
    file: { sessionId: ID, path, firstSeq: 1, end: bytes.length, grows: false },
  };
}

/** Behind a cursor, as far as `count` chunks. */
async function read(
  { files, raw, file }: { files: PlacedFiles; raw: RawChunks; file: RawFile },
  afterSeq: number,
  count = Number.POSITIVE_INFINITY,
): Promise<LogLines[]> {
  const chunks: LogLines[] = [];
  for await (const chunk of rawLines({ files, raw, signal: undefined }, file, afterSeq)) {
    chunks.push(chunk);
    if (chunks.length === count) {
      break;
    }
  }
  return chunks;
}

describe('chunks of a raw file', () => {
  it('are its whole lines, wherever a reader begins, and those of two readers are the same from the second on', async () => {
    await using fixture = await LogDirFixture.create();
    const lengths = oneof(
      { weight: 20, arbitrary: integer({ min: 0, max: 3000 }) },
      { weight: 1, arbitrary: integer({ min: 0, max: 3 * CHUNK_BYTES }) },
    );
    await assert(
      asyncProperty(
        array(lengths, { minLength: 1, maxLength: 400, size: 'max' }),
        integer({ min: 0, max: 400 }),
        integer({ min: 0, max: 2000 }),
        async (fillers, after, torn) => {
          const on = await written(fixture, fillers);
          const { lines, file } = on;
          const afterSeq = Math.min(after, lines.length);
          const seen = { ...on, file: { ...file, end: Math.max(0, file.end - torn) } };
          const wholeBytes = Buffer.concat(lines).subarray(0, seen.file.end).lastIndexOf(0x0a) + 1;
          const all = await read(seen, 0);
          const given = Buffer.concat(all.map(({ bytes }) => bytes));
          expect(given.equals(Buffer.concat(lines).subarray(0, wholeBytes))).toBe(true);
          const some = await read(seen, afterSeq);
          const first = some[0]?.firstSeq ?? Number.POSITIVE_INFINITY;
          const wanted = all.filter(({ lastSeq }) => lastSeq > afterSeq);
          expect(first).toBeLessThanOrEqual(Math.max(1, wanted.length === 0 ? first : afterSeq + 1));
          expect(some.at(-1)?.lastSeq).toBe(some.length === 0 ? undefined : all.at(-1)?.lastSeq);
          for (const chunk of some.slice(1, -1)) {
            // A line that goes beyond its chunk is read by each for itself.
            expect(chunk.firstSeq === chunk.lastSeq || all.includes(chunk)).toBe(true);
          }
          for (const { bytes, firstSeq, lastSeq } of [...all, ...some]) {
            expect(firstSeq === lastSeq || bytes.length <= 1.5 * CHUNK_BYTES).toBe(true);
            expect(bytes.buffer.byteLength).toBeLessThanOrEqual(Math.max(Buffer.poolSize, (bytes.length * 8) / 7));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are made into what a door sends once for all readers, and that counts to what is kept', async () => {
    await using fixture = await LogDirFixture.create();
    const on = await written(fixture, Array<number>(3000).fill(1000));
    let made = 0;
    const encode = ({ bytes }: LogLines): Buffer => {
      made++;
      return Buffer.from(bytes);
    };
    const whole = (chunks: readonly LogLines[]): readonly LogLines[] => chunks.slice(0, -1);
    for (const lines of whole(await read(on, 0))) {
      lines.as(encode);
    }
    const { keptBytes } = on.raw;
    expect(keptBytes).toBe(whole(await read(on, 0)).reduce((sum, { bytes }) => sum + 2 * bytes.length, 0));
    const before = made;
    for (const lines of whole(await read(on, 0))) {
      lines.as(encode);
    }
    expect([made, on.raw.keptBytes]).toEqual([before, keptBytes]);
  });

  it('go on to where its writer is when it grows, and else end where it ended', async () => {
    await using fixture = await LogDirFixture.create();
    const on = await written(fixture, Array<number>(500).fill(1000));
    const more = Array.from({ length: 2000 }, (_, index) => storedLine(ID, 501 + index, '.'.repeat(1000)));
    const seqs = async (grows: boolean): Promise<[number, number]> => {
      const chunks = rawLines({ ...on, signal: undefined }, { ...on.file, grows }, 0);
      const first = (await chunks.next()).value?.firstSeq ?? Number.NaN;
      await appendFile(on.file.path, Buffer.concat(more.splice(0, 1000)));
      let last = Number.NaN;
      for await (const { lastSeq } of chunks) {
        last = lastSeq;
      }
      return [first, last];
    };
    expect(await seqs(false)).toEqual([1, 500]);
    expect(await seqs(true)).toEqual([1, 2500]);
  });

  it('with a line longer than a chunk end for each reader where the file ended for it, whoever reads it at the same time', async () => {
    await using fixture = await LogDirFixture.create();
    const on = await written(fixture, [300_000, 10, 10]);
    const early = { ...on, file: { ...on.file, end: 200_000 } };
    const [none, all] = await Promise.all([read(early, 0), read(on, 0)]);
    expect(none).toEqual([]);
    expect(all.map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([
      [1, 1],
      [2, 3],
    ]);
  });

  it('of a name that has passed to another file are not given', async () => {
    await using fixture = await LogDirFixture.create();
    const on = await written(fixture, Array<number>(500).fill(1000));
    expect((await read(on, 0, 1))[0]?.firstSeq).toBe(1);
    await fixture.writeActive(ID, Buffer.concat([storedLine(ID, 501), storedLine(ID, 502)]));
    const next = { ...on, file: { ...on.file, firstSeq: 501, end: 2 * storedLine(ID, 501).length } };
    expect((await read(next, 0)).map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([[501, 502]]);
    await expect(read(on, 400)).rejects.toThrow();
  });
});

describe('kept pieces', () => {
  const piece = (seq: number, bytes: number): Piece => ({
    chunks: [linesOf(ID, storedLine(ID, seq, '.'.repeat(bytes)))],
  });

  it('are read once for all who wait, and not kept when that failed or found no line', async () => {
    const kept = new KeptPieces<Piece>(1 << 20);
    let reads = 0;
    const get = (result: () => Promise<Piece>): Promise<Piece> =>
      kept.get('key', () => {
        reads++;
        return result();
      });
    const failing = (): Promise<Piece> => Promise.reject(new Error('EIO'));
    const both = [get(failing), get(failing)];
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(reads).toBe(1);
    await get(() => Promise.resolve({ chunks: [] }));
    const first = await get(() => Promise.resolve(piece(1, 10)));
    expect(await get(failing)).toBe(first);
    expect(reads).toBe(3);
  });

  it('are bounded with what doors make of them, and one that is dropped is counted no more', async () => {
    const kept = new KeptPieces<Piece>(10_000);
    const pieces: Piece[] = [];
    for (let key = 1; key <= 4; key++) {
      pieces.push(await kept.get(`${key}`, () => Promise.resolve(piece(key, 3000))));
    }
    const lineBytes = pieces[3]?.chunks[0]?.bytes.length ?? Number.NaN;
    expect(kept.bytes).toBe(3 * lineBytes);
    pieces[3]?.chunks[0]?.as(() => Buffer.alloc(3000));
    expect(kept.bytes).toBe(2 * lineBytes + 3000);
    pieces[0]?.chunks[0]?.as(() => Buffer.alloc(9000));
    expect(pieces.map(({ chunks }) => chunks[0]?.holder !== null)).toEqual([false, false, true, true]);
    expect(kept.bytes).toBe(2 * lineBytes + 3000);
  });
});
