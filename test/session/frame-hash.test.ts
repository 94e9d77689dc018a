import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { FrameHash } from '../../src/session/frame-hash.js';

const key = Buffer.from('0123456789abcdef', 'hex');

function hashOf(bytes: Buffer, hash = new FrameHash(key)): string {
  hash.of(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
  return `${hash.low},${hash.high}`;
}

test('the hash is that of the bytes, wherever they stand', () => {
  const hash = new FrameHash(key);
  for (let length = 0; length < 70; length++) {
    const bytes = randomBytes(length);
    const alone = hashOf(bytes);
    for (let at = 0; at < 9; at++) {
      const message = Buffer.concat([randomBytes(at), bytes, randomBytes(5)]);
      hash.of(new DataView(message.buffer, message.byteOffset, message.byteLength), at, at + length);
      expect(`${hash.low},${hash.high}`).toBe(alone);
    }
  }
});

test('every bit and every byte of length counts, in both halves', () => {
  const bytes = randomBytes(67);
  const { low, high } = halves(bytes);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(halves(flipped).low).not.toBe(low);
    expect(halves(flipped).high).not.toBe(high);
  }
  const lengths = Array.from({ length: 2000 }, (_, length) => hashOf(Buffer.alloc(length)));
  expect(new Set(lengths).size).toBe(lengths.length);
});

function halves(bytes: Buffer): { low: number; high: number } {
  const hash = new FrameHash(key);
  hash.of(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
  return { low: hash.low, high: hash.high };
}

test('a million frames that differ in little have a million hashes, and their bits are even', () => {
  const hash = new FrameHash(key);
  const bytes = Buffer.from('\x1a\x08build-42\x30\x00\x00\x00\x00:\x05hello', 'latin1');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const seen = new Set<bigint>();
  const ones = Array.from({ length: 64 }, () => 0);
  for (let seq = 0; seq < 1_000_000; seq++) {
    view.setUint32(11, seq);
    hash.of(view, 0, bytes.length);
    seen.add((BigInt(hash.high >>> 0) << 32n) | BigInt(hash.low >>> 0));
    if (seq < 20_000) {
      for (let bit = 0; bit < 64; bit++) {
        ones[bit] = (ones[bit] ?? 0) + (((bit < 32 ? hash.low : hash.high) >>> (bit & 31)) & 1);
      }
    }
  }
  expect(seen.size).toBe(1_000_000);
  // 20,000 tosses of a fair coin: six standard deviations are 424.
  for (const count of ones) {
    expect(Math.abs(count - 10_000)).toBeLessThan(424);
  }
});

test('each process has a key of its own', () => {
  const bytes = Buffer.from('hello');
  expect(hashOf(bytes, new FrameHash())).not.toBe(hashOf(bytes, new FrameHash()));
});
