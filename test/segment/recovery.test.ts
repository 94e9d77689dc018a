import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { OpenFile } from '../../src/segment/files.js';
import { layoutOf, segmentName } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { type Recovered, Recovery } from '../../src/segment/recovery.js';
import { scanSegment } from '../../src/segment/segment-scan.js';
import { temporaryDirectory } from '../support/session-room.js';

function line(seq: number, content = `line ${seq}`): string {
  return `${JSON.stringify({ seq, time: '2026-11-21T10:00:00Z', session_id: 's', content })}\n`;
}

function lines(first: number, last: number): string {
  return Array.from({ length: last - first + 1 }, (_, index) => line(first + index)).join('');
}

async function emptyLogDir(root: string) {
  const layout = layoutOf(root);
  for (const directory of [layout.active, layout.sealing, layout.sessions, layout.outbox, layout.quarantine]) {
    await mkdir(directory, { recursive: true });
  }
  return layout;
}

/** A file in memory, to be scanned. */
function fileOf(content: Buffer): OpenFile {
  const unused = (): Promise<never> => Promise.reject(new Error('only read'));
  return {
    read: (buffer, offset, length, position) => {
      const end = Math.min(content.length, position + length);
      return Promise.resolve(content.copy(buffer, offset, Math.min(position, end), end));
    },
    size: () => Promise.resolve(content.length),
    write: unused,
    datasync: unused,
    truncate: unused,
    close: unused,
  };
}

interface Event {
  file: string;
  action: string;
  reason: string;
  bytes: number;
}

async function recover(root: string): Promise<Recovered & { events: Event[] }> {
  const events: Event[] = [];
  const recovered = await new Recovery(nodeFiles, layoutOf(root), (event) => events.push(event)).run();
  return { ...recovered, events };
}

async function everyByte(directory: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      found.set(path, await readFile(path, 'latin1'));
    }
  }
  return found;
}

describe('a torn tail', () => {
  test('at every truncation point of 200 lines: exactly the whole lines before it count', async () => {
    const whole = Buffer.from(lines(1, 200));
    for (let at = 0; at <= whole.length; at++) {
      const { summary, damage } = await scanSegment(fileOf(whole.subarray(0, at)), 's');
      const kept = at === 0 ? 0 : whole.lastIndexOf('\n', at - 1) + 1;
      expect(summary?.bytes ?? 0).toBe(kept);
      expect(summary?.crc32 ?? 0).toBe(crc32(whole.subarray(0, kept)));
      expect(damage).toBe(kept === at ? null : 'torn line');
    }
  });

  test('on disk: the longest valid prefix stays, the rest is in quarantine, twice changes nothing', async () => {
    await using directory = await temporaryDirectory();
    const layout = await emptyLogDir(directory.path);
    const whole = lines(1, 200);
    const active = join(layout.active, 's.logtmp');
    const newline = whole.lastIndexOf('\n', 5000);
    for (const at of [
      0,
      1,
      7,
      60,
      newline - 1,
      newline,
      newline + 1,
      newline + 2,
      5000,
      whole.length - 1,
      whole.length,
    ]) {
      await rm(layout.quarantine, { recursive: true });
      await mkdir(layout.quarantine);
      await writeFile(active, whole.slice(0, at));
      const kept = whole.slice(0, whole.lastIndexOf('\n', at - 1) + 1);
      const recovered = await recover(directory.path);
      const summary = recovered.active[0]?.summary;
      const stored = await everyByte(directory.path);
      const rest = whole.slice(kept.length, at);
      if (at === 0 || kept === '') {
        expect(summary).toBeUndefined();
        expect([...stored.values()]).toEqual(at === 0 ? [] : [rest]);
      } else {
        expect(stored.get(active)).toBe(kept);
        expect(summary).toMatchObject({
          firstSeq: 1,
          lastSeq: kept.split('\n').length - 1,
          bytes: kept.length,
          crc32: crc32(kept),
        });
        expect([...stored.values()].filter((bytes) => bytes !== kept)).toEqual(rest === '' ? [] : [rest]);
      }
      await recover(directory.path);
      expect(await everyByte(directory.path)).toEqual(stored);
    }
  });

  test('of NUL bytes, at every offset of a line', async () => {
    await using directory = await temporaryDirectory();
    const layout = await emptyLogDir(directory.path);
    const active = join(layout.active, 's.logtmp');
    const good = lines(1, 3);
    const last = line(4);
    for (let at = 0; at < last.length; at++) {
      await writeFile(active, `${good}${last.slice(0, at)}${'\0'.repeat(5000)}`);
      const { active: recovered, events } = await recover(directory.path);
      // A NUL where only the newline was missing leaves a whole line behind that no newline ends: it does not count.
      expect(recovered[0]?.summary).toMatchObject({ lastSeq: 3, bytes: good.length });
      expect(events).toMatchObject([{ action: 'cut', bytes: at + 5000, reason: at === 0 ? 'NUL bytes' : 'torn line' }]);
      expect(await readFile(active, 'utf8')).toBe(good);
    }
  });
});

describe('damage', () => {
  test('every single-bit flip of a 4 KiB segment is harmless or reported', async () => {
    const whole = Buffer.from(lines(1, 60));
    const good = whole.subarray(0, whole.lastIndexOf('\n', 4096) + 1);
    let harmless = 0;
    for (let bit = 0; bit < good.length * 8; bit++) {
      const damaged = Buffer.from(good);
      damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const { summary, damage } = await scanSegment(fileOf(damaged), 's');
      // Harmless: still lines in order that anybody can read (a changed letter can't be told from what was written).
      const kept = damaged
        .subarray(0, summary?.bytes ?? 0)
        .toString('utf8')
        .split('\n')
        .slice(0, -1);
      expect(
        kept.map((text) => (JSON.parse(text) as { session_id: string }).session_id).every((id) => id === 's'),
      ).toBe(true);
      expect(damage === null).toBe(summary?.bytes === good.length);
      harmless += damage === null ? 1 : 0;
    }
    expect(harmless).toBeLessThan(good.length * 8 * 0.5);
  });

  test('a line of another session, a seq that goes back, text that is no UTF-8: all end the valid part', async () => {
    await using directory = await temporaryDirectory();
    const layout = await emptyLogDir(directory.path);
    const active = join(layout.active, 's.logtmp');
    const bad = [
      line(3).replace('"s"', '"t"'),
      line(2),
      line(1),
      Buffer.from('{"seq":3,"x":"\xff"}\n', 'latin1'),
      '[]\n',
      'null\n',
      '\n',
    ];
    for (const wrong of bad) {
      await writeFile(active, Buffer.concat([Buffer.from(lines(1, 2)), Buffer.from(wrong), Buffer.from(line(4))]));
      const { active: recovered, events } = await recover(directory.path);
      expect(recovered[0]?.summary).toMatchObject({ firstSeq: 1, lastSeq: 2, frames: 2 });
      expect(events).toMatchObject([{ action: 'cut', reason: 'invalid line' }]);
    }
  });

  test('a file that holds no valid line goes to quarantine whole', async () => {
    await using directory = await temporaryDirectory();
    const layout = await emptyLogDir(directory.path);
    await writeFile(join(layout.active, 's.logtmp'), 'garbage\n');
    await writeFile(join(layout.active, 'other.logtmp'), line(1));
    const { active } = await recover(directory.path);
    expect(active).toEqual([]);
    expect(await readdir(layout.active)).toEqual([]);
    expect((await readdir(layout.quarantine)).toSorted()).toEqual(['other.logtmp', 's.logtmp']);
  });
});

describe('sealed segments', () => {
  test('are handed on in seq order, with producers carried from one to the next', async () => {
    await using directory = await temporaryDirectory();
    const layout = await emptyLogDir(directory.path);
    const sealing = join(layout.sealing, 's');
    await mkdir(sealing);
    const produced = (seq: number, producer: string): string =>
      `${JSON.stringify({ seq, time: 't', session_id: 's', producer_id: producer, producer_seq: seq * 10 })}\n`;
    await writeFile(
      join(sealing, `${segmentName({ firstSeq: 3, lastSeq: 4, sealedAtMs: 0 })}.log`),
      produced(3, 'b') + line(4),
    );
    await writeFile(
      join(sealing, `${segmentName({ firstSeq: 1, lastSeq: 2, sealedAtMs: 0 })}.log`),
      produced(1, 'a') + line(2),
    );
    await writeFile(join(layout.active, 's.logtmp'), produced(5, 'a'));
    const { sealed, active } = await recover(directory.path);
    expect(
      sealed.map(({ summary, reason }) => [summary.firstSeq, reason, Object.fromEntries(summary.producers)]),
    ).toEqual([
      [1, 'recovery', { a: 10 }],
      [3, 'recovery', { a: 10, b: 30 }],
    ]);
    expect(Object.fromEntries(active[0]?.summary.producers ?? [])).toEqual({ b: 30, a: 50 });
  });

  test('an active file that a power cut brought back from before its seal goes to quarantine', async () => {
    await using directory = await temporaryDirectory();
    const layout = await emptyLogDir(directory.path);
    await mkdir(join(layout.sealing, 's'));
    await writeFile(
      join(layout.sealing, 's', `${segmentName({ firstSeq: 1, lastSeq: 3, sealedAtMs: 0 })}.log`),
      lines(1, 3),
    );
    await writeFile(join(layout.active, 's.logtmp'), lines(1, 3));
    const { sealed, active, events } = await recover(directory.path);
    expect([sealed.length, active.length]).toEqual([1, 0]);
    expect(events).toMatchObject([
      { action: 'quarantined', reason: 'starts at seq 1, but the session is sealed up to 3' },
    ]);
  });

  test('a sealed segment with a torn end is renamed to what is left of it', async () => {
    await using directory = await temporaryDirectory();
    const layout = await emptyLogDir(directory.path);
    await mkdir(join(layout.sealing, 's'));
    await writeFile(
      join(layout.sealing, 's', `${segmentName({ firstSeq: 1, lastSeq: 3, sealedAtMs: 0 })}.log`),
      lines(1, 3).slice(0, -5),
    );
    const { sealed } = await recover(directory.path);
    expect(sealed[0]?.summary).toMatchObject({ firstSeq: 1, lastSeq: 2 });
    expect(await readdir(join(layout.sealing, 's'))).toEqual([
      `${segmentName({ firstSeq: 1, lastSeq: 2, sealedAtMs: 0 })}.log`,
    ]);
  });
});
