/**
 * The envelope as existing consumers decode it (CONTRACTS §2): JSON without spaces, or MessagePack with nothing but its
 * core types: str, map with str keys, array, nil, and integers as integers whatever their size.
 */
import { Packr } from 'msgpackr';
import type { Announcement } from './outbox-record.js';

export type AnnouncementFormat = 'json' | 'msgpack';

const packr = new Packr({ useRecords: false });

/** The whole envelope, for a list or a channel. */
export function encodeEnvelope(announcement: Announcement, format: AnnouncementFormat): Buffer {
  const { type, content, timestamp } = announcement;
  return encode({ type, encoding: format, content, timestamp }, format);
}

/** `content` alone, for a stream, where the rest of the envelope are fields. */
export function encodeContent(announcement: Announcement, format: AnnouncementFormat): Buffer {
  return encode(announcement.content, format);
}

function encode(value: unknown, format: AnnouncementFormat): Buffer {
  return format === 'json' ? Buffer.from(JSON.stringify(value)) : packr.pack(toMessagePack(value));
}

/**
 * msgpackr writes a number above 32 bits as a float, which other languages then read as one: a BigInt becomes an int64.
 * It counts the keys of a plain object in 16 bits, and a session may have more producers: a Map has no such limit.
 */
function toMessagePack(value: unknown): unknown {
  if (typeof value === 'number' && Number.isSafeInteger(value) && (value > 0xffff_ffff || value < -0x8000_0000)) {
    return BigInt(value);
  }
  if (Array.isArray(value)) {
    return value.map(toMessagePack);
  }
  if (typeof value === 'object' && value !== null) {
    return new Map(Object.entries(value).map(([key, entry]) => [key, toMessagePack(entry)]));
  }
  return value;
}
