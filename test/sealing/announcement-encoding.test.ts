import { decode } from '@msgpack/msgpack';
import { expect, test } from 'vitest';
import { encodeContent, encodeEnvelope } from '../../src/sealing/announcement-encoding.js';
import { encodeRecord, parseRecord } from '../../src/sealing/outbox-record.js';
import { rotation } from './events.js';

function announcementWith(producers: Record<string, number>): NonNullable<ReturnType<typeof parseRecord>> {
  const announcement = parseRecord(encodeRecord(rotation('s', 1, 2, { producers }), 0));
  if (announcement === null) {
    throw new Error('not a record');
  }
  return announcement;
}

test('MessagePack holds only core types, whatever a producer is called', () => {
  const producers = { constructor: 5, hasOwnProperty: 1, toJSON: 2 ** 40, length: 0, '1': 2 ** 31 };
  const bytes = encodeContent(announcementWith(producers), 'msgpack');
  // An extension type would come back as ExtData.
  expect(decode(bytes)).toMatchObject({ producers, prev_sha256: null, event_id: 'rotation:s/1-2' });
});

test('more producers than a 16-bit map holds survive', () => {
  const producers = Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`worker-${index}`, index]));
  const decoded = decode(encodeEnvelope(announcementWith(producers), 'msgpack'), { maxMapLength: 100_000 });
  expect(decoded).toMatchObject({ type: 'log_rotation', encoding: 'msgpack', content: { producers } });
});

test('a producer called __proto__ is in the bytes', () => {
  const producers = Object.fromEntries([['__proto__', 7]]);
  expect(String(encodeContent(announcementWith(producers), 'json'))).toContain('"producers":{"__proto__":7}');
  // str "__proto__", 7: some decoders refuse to read it, which is their protection.
  expect(
    encodeContent(announcementWith(producers), 'msgpack').includes(Buffer.from('\xa9__proto__\x07', 'latin1')),
  ).toBe(true);
});
