import { describe, expect, it } from 'vitest';
import { BufferPool } from '../../src/session/buffer-pool.js';

const REST_BYTES = 64 * 1024;

describe('the pool of buffers', () => {
  it('gives out again what it was given, of the capacity that is asked for', () => {
    const pool = new BufferPool(REST_BYTES);
    const small = pool.take();
    const large = pool.take(10_000);
    const memory = [small.bytes, large.bytes];
    pool.give(small);
    pool.give(large);
    expect(memory.map(({ length }) => length)).toEqual([4096, 16_384]);
    expect(pool.take(16_384).bytes).toBe(memory[1]);
    expect(pool.take(1).bytes).toBe(memory[0]);
    expect(pool.freeBytes).toBe(0);
  });

  it('keeps the memory that a growing buffer leaves, and nothing of its content is lost', () => {
    const pool = new BufferPool(REST_BYTES);
    const buffer = pool.take();
    const left = buffer.bytes;
    buffer.bytes.write('a line');
    buffer.length = 6;
    buffer.reserve(6, 4096);
    expect([buffer.bytes.length, buffer.bytes.toString('utf8', 0, 6), buffer.length]).toEqual([8192, 'a line', 6]);
    expect(buffer.view.byteLength).toBe(8192);
    expect(pool.freeBytes).toBe(4096);
    const next = pool.take();
    expect([next.bytes, next.view.buffer, next.length]).toEqual([left, left.buffer, 0]);
  });

  it('keeps for some seconds as much as was in use at once, whatever the capacities, then what it rests on', () => {
    const pool = new BufferPool(REST_BYTES);
    pool.sweep(0);
    const buffers = Array.from({ length: 40 }, () => pool.take(16_384));
    for (const buffer of buffers) {
      pool.give(buffer);
    }
    expect(pool.freeBytes).toBe(40 * 16_384);
    // A burst of other capacities takes the place of what nobody takes.
    const others = Array.from({ length: 20 }, () => pool.take(32_768));
    expect(pool.freeBytes).toBe(REST_BYTES);
    for (const buffer of others) {
      pool.give(buffer);
    }
    const kept = REST_BYTES + 40 * 16_384;
    pool.sweep(1999);
    pool.sweep(2000);
    expect(pool.freeBytes).toBe(kept);
    pool.sweep(4000);
    expect(pool.freeBytes).toBe(REST_BYTES);
  });

  it('makes no buffer for a load that goes on as before', () => {
    const pool = new BufferPool(0);
    const memory = new Set<Buffer>();
    for (let second = 0; second < 20; second++) {
      pool.sweep(second * 1000);
      const buffers = Array.from({ length: 8 }, () => pool.take(65_536));
      for (const buffer of buffers) {
        memory.add(buffer.bytes);
        pool.give(buffer);
      }
    }
    expect(memory.size).toBe(8);
  });

  it('takes a buffer of a long line again, and keeps nothing that is longer than any', () => {
    const roomy = new BufferPool(32 * 1024 * 1024);
    const long = roomy.take();
    long.reserve(0, 1024 * 1024 + 1);
    expect(long.bytes.length).toBe(2 * 1024 * 1024);
    const memory = long.bytes;
    roomy.give(long);
    const again = roomy.take(1024 * 1024 + 1);
    expect(again.bytes).toBe(memory);
    again.reserve(0, 8 * 1024 * 1024 + 1);
    expect(again.bytes.length).toBe(8 * 1024 * 1024 + 1);
    roomy.give(again);
    // What they grew from.
    expect(roomy.freeBytes).toBe(4096 + 2 * 1024 * 1024);
  });

  it('gives up what a burst made long within seconds, but for what it rests on', () => {
    const pool = new BufferPool(8 * 1024 * 1024);
    const burst = [0, 1, 2].map(() => pool.take(5 * 1024 * 1024));
    burst.forEach((buffer) => pool.give(buffer));
    expect(pool.freeBytes).toBe(24 * 1024 * 1024);
    for (const second of [3, 6, 9]) {
      pool.sweep(second * 1000);
    }
    expect(pool.freeBytes).toBe(8 * 1024 * 1024);
  });
});
