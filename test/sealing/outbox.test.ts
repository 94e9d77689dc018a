import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Outbox } from '../../src/sealing/outbox.js';
import {
  completionRecordName,
  type OutboxEvent,
  parseRecordName,
  rotationRecordName,
} from '../../src/sealing/outbox-record.js';
import { RecordQueue } from '../../src/sealing/record-queue.js';
import { systemClock } from '../../src/segment/clock.js';
import type { Files } from '../../src/segment/files.js';
import type { Layout } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { completion, rotation } from './events.js';
import { diskError, interceptedFiles } from './faulty-files.js';
import { filesUnder, logDirectory, nth, recordingLogger } from './fixture.js';

async function openOutbox(
  layout: Layout,
  files: Files = nodeFiles,
  wallMs = () => Date.now(),
): Promise<Outbox & { lines: unknown[] }> {
  const logger = recordingLogger();
  const clock = { ...systemClock, wallMs };
  const outbox = new Outbox({ layout, files, clock, logger, metrics: new Metrics({ version: 'test' }) });
  await outbox.open();
  return Object.assign(outbox, { lines: logger.lines });
}

const ready = (outbox: Outbox): string[] => outbox.ready(100).map((name) => name.fileName.replace('.json', ''));

test('a record is the envelope, its timestamp is that of the first add, across restarts', async () => {
  const layout = logDirectory();
  const event = completion('s', 9, { status: 'stopped', exitCode: 3 });
  await (await openOutbox(layout, nodeFiles, () => Date.UTC(2026, 10, 21, 10, 0, 0, 123))).add(event);
  await (await openOutbox(layout, nodeFiles, () => Date.UTC(2027, 0, 1))).add(event);
  expect(readFileSync(join(layout.outbox, 'completion_s_0000000000000009.json'), 'utf8')).toBe(
    '{"type":"log_completion","encoding":"json","content":{"session_id":"s","last_seq":9,"status":"stopped",' +
      '"exit_code":3,"completed_at":"2026-11-21T10:00:00.000Z","event_id":"completion:s/9"},"timestamp":"2026-11-21T10:00:00.123000+00:00"}\n',
  );
});

test('a completion without an exit code has none', async () => {
  const layout = logDirectory();
  const outbox = await openOutbox(layout);
  await outbox.add(completion('s', 9));
  const name = nth(outbox.ready(1), 0);
  const record = await outbox.read(name);
  expect(record?.announcement.content).toEqual({
    session_id: 's',
    last_seq: 9,
    status: 'stopped',
    completed_at: '2026-11-21T10:00:00.000Z',
    event_id: 'completion:s/9',
  });
});

test('records of a session leave by seq, a completion after its last rotation, whatever the order on disk', async () => {
  const layout = logDirectory();
  const first = await openOutbox(layout);
  for (const event of [
    completion('a', 20),
    rotation('a', 11, 20),
    rotation('b', 1, 5),
    rotation('a', 1, 10),
    rotation('a', 21, 30),
  ]) {
    await first.add(event);
  }
  const expected = [
    'rotation_a_0000000000000001-0000000000000010',
    'rotation_a_0000000000000011-0000000000000020',
    'completion_a_0000000000000020',
    'rotation_a_0000000000000021-0000000000000030',
  ];
  for (const outbox of [first, await openOutbox(layout)]) {
    expect(ready(outbox).filter((name) => name.includes('_a_'))).toEqual(expected);
    expect(ready(outbox)).toContain('rotation_b_0000000000000001-0000000000000005');
  }
});

test('what comes after a segment that is being sealed waits for it', async () => {
  const layout = logDirectory();
  const outbox = await openOutbox(layout);
  let calls = 0;
  outbox.onReady(() => (calls += 1));
  const sealing = rotationRecordName('a', 1, 10);
  outbox.hold(sealing);
  await outbox.add(completion('a', 10));
  await outbox.add(completion('b', 1));
  expect(ready(outbox)).toEqual(['completion_b_0000000000000001']);
  await outbox.add(rotation('a', 1, 10));
  expect(ready(outbox)).toEqual(['completion_b_0000000000000001']);
  expect(outbox.depth).toBe(3);
  const callsBefore = calls;
  outbox.release(sealing);
  expect(calls).toBe(callsBefore + 1);
  expect(ready(outbox).length).toBe(3);

  // Given up: nothing was added for it.
  outbox.hold(rotationRecordName('c', 1, 10));
  await outbox.add(completion('c', 10));
  expect(ready(outbox).length).toBe(3);
  outbox.release(rotationRecordName('c', 1, 10));
  expect(ready(outbox).length).toBe(4);
});

test('a long backlog of one session does not hold up the others', async () => {
  const outbox = await openOutbox(logDirectory());
  for (let seq = 1; seq <= 9; seq++) {
    await outbox.add(completion('long', seq));
  }
  await outbox.add(completion('short', 1));
  const name = nth(outbox.ready(1), 0);
  await outbox.remove(name);
  expect(outbox.ready(1).map((next) => next.session)).toEqual(['short']);
});

test('depth and age tell of what is on disk', async () => {
  const layout = logDirectory();
  const first = await openOutbox(layout);
  expect([first.depth, first.oldestSeconds()]).toEqual([0, 0]);
  for (const seq of [1, 2, 3]) {
    await first.add(completion('s', seq));
  }
  const now = Date.now() / 1000;
  utimesSync(join(layout.outbox, 'completion_s_0000000000000002.json'), now, now - 3600);
  const second = await openOutbox(layout);
  expect(second.depth).toBe(3);
  expect(second.oldestSeconds()).toBeGreaterThan(3599);
  expect(second.oldestSeconds()).toBeLessThan(3660);
  for (const name of second.ready(2)) {
    await second.remove(name);
  }
  expect(second.depth).toBe(1);
  expect(second.oldestSeconds()).toBeLessThan(60);
  expect(filesUnder(layout.outbox)).toEqual(['completion_s_0000000000000003.json']);
});

test('what is no record goes to quarantine, half-made files are removed, others are left alone', async () => {
  const layout = logDirectory();
  const broken = 'completion_s_0000000000000001.json';
  writeFileSync(join(layout.outbox, broken), '{"type":"log_completion"}');
  writeFileSync(join(layout.outbox, 'nobody.json'), '{}');
  writeFileSync(join(layout.outbox, 'completion_s_0000000000000002.json.tmp'), '{"ty');
  writeFileSync(join(layout.outbox, 'README'), 'mine');
  const outbox = await openOutbox(layout);
  const name = nth(outbox.ready(1), 0);
  expect(await outbox.read(name)).toBeNull();
  expect([outbox.depth, ready(outbox)]).toEqual([0, []]);
  expect(filesUnder(layout.outbox)).toEqual(['README']);
  expect(filesUnder(layout.quarantine)).toEqual([`outbox_${broken}`, 'outbox_nobody.json']);
  expect(outbox.lines.length).toBe(3);
});

test('a record that could not be written was not recorded, and adding it again works', async () => {
  const layout = logDirectory();
  let isFull = true;
  const files = interceptedFiles(({ name }) => {
    if (isFull && name === 'write') {
      throw diskError('ENOSPC');
    }
  });
  const outbox = await openOutbox(layout, files);
  await expect(outbox.add(completion('s', 1))).rejects.toThrow('ENOSPC');
  expect([outbox.depth, ready(outbox)]).toEqual([0, []]);
  isFull = false;
  await Promise.all([outbox.add(completion('s', 1)), outbox.add(completion('s', 1))]);
  expect(ready(outbox)).toEqual(['completion_s_0000000000000001']);
});

test('the longest session name fits into a file name', async () => {
  const layout = logDirectory();
  const outbox = await openOutbox(layout);
  for (const sessionId of ['x'.repeat(200), 'ü'.repeat(5000)]) {
    await outbox.add(rotation(sessionId, 2 ** 53 - 2, 2 ** 53 - 1));
  }
  expect(outbox.depth).toBe(2);
});

test.each<[string, OutboxEvent]>([
  ['rotation', rotation('a_1-2_b', 1, 2)],
  ['completion', completion('rotation_x', 7)],
])('the name of a %s tells session and seq', (kind, event) => {
  const name =
    event.type === 'log_rotation' ? rotationRecordName('a_1-2_b', 1, 2) : completionRecordName('rotation_x', 7);
  expect(parseRecordName(name.fileName)).toEqual(name);
  expect(name.kind).toBe(kind);
});

test('100,000 records pass through the queue in a moment and little memory', () => {
  const queue = new RecordQueue();
  const started = performance.now();
  for (let seq = 1; seq <= 100_000; seq++) {
    queue.insert(completionRecordName(`session-${seq % 7}`, seq), 'ready');
  }
  const last = new Map<string, number>();
  let count = 0;
  let isInOrder = true;
  for (let names = queue.ready(32); names.length > 0; names = queue.ready(32)) {
    for (const name of names) {
      isInOrder &&= name.lastSeq > (last.get(name.session) ?? 0);
      last.set(name.session, name.lastSeq);
      const record = queue.find(name);
      if (record !== undefined) {
        queue.remove(record);
      }
      count += 1;
    }
  }
  expect(isInOrder).toBe(true);
  expect(count).toBe(100_000);
  expect(performance.now() - started).toBeLessThan(5_000);
});

test('add() before open() is refused: it could give a record a second timestamp', async () => {
  const layout = logDirectory();
  mkdirSync(layout.outbox, { recursive: true });
  const options = { layout, files: nodeFiles, clock: systemClock, logger: recordingLogger() };
  const outbox = new Outbox({ ...options, metrics: new Metrics({ version: 'test' }) });
  await expect(outbox.add(completion('s', 1))).rejects.toThrow('open()');
});
