import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { layoutOf, segmentName } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { type Recovered, Recovery } from '../../src/segment/recovery.js';
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

describe('damage', () => {
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
