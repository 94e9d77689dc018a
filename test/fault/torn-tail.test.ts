import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { OpenFile } from '../../src/segment/files.js';
import { type Layout, layoutOf } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { type Recovered, Recovery } from '../../src/segment/recovery.js';
import { scanSegment } from '../../src/segment/segment-scan.js';
import { amount, measured } from './amounts.js';

/** Each damaged segment is a session of its own, and a recovery mends so many of them. */
const SESSIONS_AT_ONCE = 1000;
/** No power is cut here: a disk in memory will do, and its fsync takes no time. */
const MEMORY_DISK = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** As long as any other's name, so that all segments have their lines at the same offsets. */
const nameOf = (index: number): string => `s${String(index).padStart(6, '0')}`;

function line(seq: number, session: string): string {
  return `${JSON.stringify({ seq, time: '2026-11-21T10:00:00Z', session_id: session })}\n`;
}

function segment(lines: number, session: string): Buffer {
  return Buffer.from(Array.from({ length: lines }, (_, index) => line(index + 1, session)).join(''));
}

interface Mended {
  readonly recovered: Recovered['active'][number]['summary'] | null;
  /** What is left in the active file; null when it is gone. */
  readonly kept: Buffer | null;
  readonly quarantined: Buffer | null;
  /** Bytes that recovery said it put aside. */
  readonly reported: number;
}

/** Recovers active files with these contents, one session each, and looks at what became of them; and then once more. */
async function mendAll(
  damaged: Iterable<{ session: string; bytes: Buffer }>,
  check: (session: string, bytes: Buffer, mended: Mended) => void,
): Promise<number> {
  let count = 0;
  let batch: { session: string; bytes: Buffer }[] = [];
  for (const one of damaged) {
    batch.push(one);
    if (batch.length === SESSIONS_AT_ONCE) {
      count += await mend(batch, check);
      batch = [];
    }
  }
  return count + (await mend(batch, check));
}

async function mend(
  batch: readonly { session: string; bytes: Buffer }[],
  check: (session: string, bytes: Buffer, mended: Mended) => void,
): Promise<number> {
  const root = mkdtempSync(join(MEMORY_DISK, 'logweir-torn-'));
  try {
    const layout = layoutOf(root);
    for (const directory of [layout.active, layout.sealing, layout.sessions, layout.outbox, layout.quarantine]) {
      mkdirSync(directory);
    }
    for (const { session, bytes } of batch) {
      writeFileSync(join(layout.active, `${session}.logtmp`), bytes);
    }
    const reported = new Map<string, number>();
    const { active } = await new Recovery(nodeFiles, layout, ({ file, bytes }) =>
      reported.set(file.slice(0, nameOf(0).length), bytes),
    ).run();
    const recovered = new Map(active.map(({ summary }) => [summary.sessionId, summary]));
    const [kept, quarantined] = [contentsOf(layout.active), contentsOf(layout.quarantine)];
    for (const { session, bytes } of batch) {
      check(session, bytes, {
        recovered: recovered.get(session) ?? null,
        kept: kept.get(session) ?? null,
        quarantined: quarantined.get(session) ?? null,
        reported: reported.get(session) ?? 0,
      });
    }
    await expectNothingMore(layout, kept, quarantined);
  } finally {
    rmSync(root, { recursive: true });
  }
  return batch.length;
}

async function expectNothingMore(layout: Layout, kept: Map<string, Buffer>, quarantined: Map<string, Buffer>) {
  const again: unknown[] = [];
  await new Recovery(nodeFiles, layout, (event) => again.push(event)).run();
  expect(again).toEqual([]);
  expect(changed(kept, contentsOf(layout.active))).toEqual([]);
  expect(changed(quarantined, contentsOf(layout.quarantine))).toEqual([]);
}

/** Byte by byte, as the test runner compares, this would take minutes. */
function changed(before: Map<string, Buffer>, after: Map<string, Buffer>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (session) => before.get(session)?.equals(after.get(session) ?? Buffer.from('gone')) !== true,
  );
}

/** By session. */
function contentsOf(directory: string): Map<string, Buffer> {
  const found = readdirSync(directory).map((name): [string, Buffer] => [
    name.slice(0, nameOf(0).length),
    readFileSync(join(directory, name)),
  ]);
  expect(new Set(found.map(([session]) => session)).size).toBe(found.length);
  return new Map(found);
}

/** The longest valid prefix stays, everything behind it is in quarantine and was reported. */
function expectPrefix(bytes: Buffer, prefix: Buffer, { recovered, kept, quarantined, reported }: Mended): void {
  const rest = bytes.subarray(prefix.length);
  const same =
    (prefix.length === 0 ? kept === null : kept?.equals(prefix) === true) &&
    (rest.length === 0 ? quarantined === null : quarantined?.equals(rest) === true) &&
    reported === rest.length &&
    (recovered?.bytes ?? 0) === prefix.length &&
    (recovered?.crc32 ?? 0) === crc32(prefix);
  if (!same) {
    expect({ kept, quarantined, reported, recovered }).toEqual({ prefix, rest });
  }
}

describe('torn tail: the longest valid prefix stays, the rest goes to quarantine', () => {
  const LINES = 210;

  test('at every truncation point of a segment of 210 lines', async () => {
    const { length } = segment(LINES, nameOf(0));
    const points = await mendAll(
      every(length + 1, (at) => segment(LINES, nameOf(at)).subarray(0, at)),
      (_session, bytes, mended) => expectPrefix(bytes, wholeLines(bytes), mended),
    );
    measured('torn tail', { 'truncation points': points, lines: LINES });
    expect(points).toBe(length + 1);
  });

  test('with a NUL tail at every offset of it', async () => {
    const { length } = segment(LINES, nameOf(0));
    const offsets = await mendAll(
      every(length, (at) =>
        Buffer.concat([segment(LINES, nameOf(at)).subarray(0, at), Buffer.alloc(4096 + length - at)]),
      ),
      (session, bytes, mended) => {
        const torn = bytes.subarray(0, Number(session.slice(1)));
        expectPrefix(bytes, bytes.subarray(0, wholeLines(torn).length), mended);
      },
    );
    measured('torn tail', { 'NUL tails': offsets });
    expect(offsets).toBe(length);
  });

  test('every single-bit flip of a 4 KiB segment is either harmless or reported', async () => {
    const lines = Math.ceil(4096 / line(1, nameOf(0)).length);
    const { length } = segment(lines, nameOf(0));
    const flippedAt = (bit: number): Buffer => {
      const bytes = segment(lines, nameOf(bit));
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      return bytes;
    };
    let flips = 0;
    let harmless = 0;
    for (const { session, bytes } of every(length * 8, flippedAt)) {
      const { summary, damage } = await scanSegment(inMemory(bytes), session);
      expectKept(session, bytes.subarray(0, summary?.bytes ?? 0));
      expect(damage === null).toBe(summary?.bytes === length);
      harmless += damage === null ? 1 : 0;
      flips++;
    }
    // On a disk, CI does one flip in nine: each bit of a byte in its turn.
    const onDisk = await mendAll(every(length * 8, flippedAt, amount(9, 1)), (session, bytes, mended) => {
      const kept = mended.kept ?? Buffer.alloc(0);
      expectPrefix(bytes, bytes.subarray(0, kept.length), mended);
      expectKept(session, kept);
    });
    measured('torn tail', { 'bit flips': flips, 'of them harmless': harmless, 'of them on a disk': onDisk });
    expect(length).toBeGreaterThanOrEqual(4096);
    expect(flips).toBe(length * 8);
    // A changed digit or letter can't be told from what was written; quotes, names and the session's id can.
    expect(harmless).toBeLessThan(flips / 2);
  });
});

function* every(
  count: number,
  bytesAt: (index: number) => Buffer,
  step = 1,
): Generator<{ session: string; bytes: Buffer }> {
  for (let index = 0; index < count; index += step) {
    yield { session: nameOf(index), bytes: bytesAt(index) };
  }
}

/** A file in memory, to be scanned. */
function inMemory(content: Buffer): Pick<OpenFile, 'read' | 'size'> {
  return {
    read: (buffer, offset, length, position) =>
      Promise.resolve(content.copy(buffer, offset, Math.min(position, content.length), position + length)),
    size: () => Promise.resolve(content.length),
  };
}

function wholeLines(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.lastIndexOf('\n') + 1);
}

/** Harmless: still lines of the session, in order, that anybody can read, and none before the flipped one is lost. */
function expectKept(session: string, kept: Buffer): void {
  let lastSeq = 0;
  for (const text of kept.toString('utf8').split('\n').slice(0, -1)) {
    const { seq, session_id } = JSON.parse(text) as { seq: number; session_id: string };
    if (seq <= lastSeq || session_id !== session) {
      throw new Error(`${text} stays behind seq ${lastSeq} of ${session}`);
    }
    lastSeq = seq;
  }
  const flippedByte = Number(session.slice(1)) >> 3;
  const lineBytes = line(1, session).length;
  // Lines of one digit's seq, then longer ones: at least those that end before the flip.
  if (kept.length < flippedByte - lineBytes - 1) {
    throw new Error(`only ${kept.length} bytes of ${session} stay, though byte ${flippedByte} was flipped`);
  }
}
