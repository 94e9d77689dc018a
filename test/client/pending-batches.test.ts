import { describe, expect, it } from 'vitest';
import { PendingBatches } from '../../src/client/pending-batches.js';
import { ProducerTally } from '../../src/client/producer-tally.js';
import type { WriteLogAck__Output as WriteLogAck } from '../../src/grpc/generated/logging/v1/WriteLogAck.js';

const LIMITS = { batchBytesMax: 1_000, batchFramesMax: 3 };
const NO_MARK = { producerId: '', producerSeq: 0 };

function pendingOf(frames: number, size = 1): PendingBatches {
  const pending = new PendingBatches(LIMITS);
  for (let place = 0; place < frames; place++) {
    pending.add({ sessionId: 's', content: 'x'.repeat(size) }, NO_MARK, place, 1);
  }
  return pending;
}

/** Sends what can be sent; returns the batches' ids. */
function sendAll(pending: PendingBatches): number[] {
  const ids: number[] = [];
  for (let batch = pending.next(); batch !== null; batch = pending.next()) {
    ids.push(batch.id);
  }
  return ids;
}

function ack(batchId: number): WriteLogAck {
  return { batch_id: batchId, durable: true, sessions: [], rejected: [], duplicates: 0 };
}

describe('PendingBatches', () => {
  it('bounds a batch by its frames and by its bytes', () => {
    expect(sendAll(pendingOf(7))).toEqual([1, 2]);
    const pending = pendingOf(4, 400);
    pending.close();
    const [first, second] = [pending.next(), pending.next()];
    expect([first?.places, second?.places]).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(Math.max(first?.message.length ?? 0, second?.message.length ?? 0)).toBeLessThanOrEqual(1_000);
  });

  it('holds no byte when everything is acknowledged', () => {
    const pending = pendingOf(100, 300);
    pending.close();
    expect(pending.bytes).toBeGreaterThan(30_000);
    const ids = sendAll(pending);
    pending.acknowledge(ids.at(-1) ?? 0);
    expect([pending.bytes, pending.isEmpty, pending.inFlight]).toEqual([0, true, 0]);
  });

  it('lets go only of what was sent, and sends the rest again under the same ids', () => {
    const pending = pendingOf(9);
    pending.next();
    pending.next();
    expect(pending.acknowledge(3).map(({ id }) => id)).toEqual([1, 2]);
    expect(sendAll(pending)).toEqual([3]);
    pending.rewind();
    expect(sendAll(pending)).toEqual([3]);
  });

  it('sends nothing behind a large frame until it is acknowledged', () => {
    const pending = pendingOf(2);
    pending.add({ sessionId: 's', content: 'x'.repeat(2_000) }, NO_MARK, 2, 1);
    pending.add({ sessionId: 's', content: 'behind' }, NO_MARK, 3, 1);
    pending.close();
    expect(sendAll(pending)).toEqual([1, 2]);
    pending.acknowledge(1);
    expect(sendAll(pending)).toEqual([]);
    pending.acknowledge(2);
    expect(sendAll(pending)).toEqual([3]);
  });

  it('a frame that is named ahead of its acknowledgement, and again after a reconnection, is refused once', () => {
    const pending = pendingOf(6);
    const tally = new ProducerTally();
    Array.from({ length: 6 }, () => tally.take(1));
    sendAll(pending);
    expect(pending.reject(2, 1)).toBe(true);
    tally.acknowledge(ack(1), pending.acknowledge(1));
    expect(tally.report(null)).toMatchObject({ stored: 3, unconfirmed: 3, refused: 0, refusedAt: null });
    pending.rewind();
    sendAll(pending);
    expect(pending.reject(2, 1)).toBe(false);
    expect(pending.reject(2, 3)).toBe(false);
    expect(pending.reject(1, 0)).toBe(false);
    tally.acknowledge(ack(2), pending.acknowledge(2));
    expect(tally.report(null)).toMatchObject({ stored: 5, storedLines: 5, unconfirmed: 0, refused: 1, refusedAt: 4 });
  });
});
