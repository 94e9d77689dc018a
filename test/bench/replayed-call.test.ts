import { describe, expect, it } from 'vitest';
import { BodyBuilder, FRAME_HEADER_BYTES } from '../../bench/support/http2-wire.js';
import { ReplayedCall } from '../../bench/support/replayed-call.js';

const MESSAGES = 5;
/** Two DATA frames each. */
const MESSAGE_BYTES = 20_000;
const WINDOW = 1 << 30;

function call(inFlight: number, latencies: number[] = []): ReplayedCall {
  const builder = new BodyBuilder(1, true);
  for (let message = 0; message < MESSAGES; message++) {
    builder.append(Buffer.alloc(MESSAGE_BYTES));
  }
  const take = (message: Buffer): number => message.readUInt8(0);
  return new ReplayedCall(builder.finish(), { path: '', inFlight, take, latencies }, WINDOW);
}

/** A gRPC message that acknowledges so many. */
function ack(messages: number): Buffer {
  return Buffer.from([0, 0, 0, 0, 1, messages]);
}

describe('a replayed call', () => {
  it('has no more batches on their way than it is given', () => {
    const latencies: number[] = [];
    const replayed = call(2, latencies);
    const sent = replayed.next(WINDOW, Number.POSITIVE_INFINITY);
    expect(sent?.payload).toBe(2 * (MESSAGE_BYTES + 5));
    expect(sent?.frames).toHaveLength(2 * (MESSAGE_BYTES + 5 + 2 * FRAME_HEADER_BYTES));
    expect(replayed.next(WINDOW, Number.POSITIVE_INFINITY)).toBeNull();
    replayed.received(ack(1));
    expect(replayed.next(WINDOW, Number.POSITIVE_INFINITY)?.payload).toBe(MESSAGE_BYTES + 5);
    expect(latencies).toHaveLength(1);
  });

  it('keeps to the windows of stream and connection, in whole frames', () => {
    expect(call(5).next(16_383, Number.POSITIVE_INFINITY)).toBeNull();
    const replayed = call(5);
    replayed.window = 16_384;
    expect(replayed.next(WINDOW, Number.POSITIVE_INFINITY)?.payload).toBe(16_384);
    expect(replayed.window).toBe(0);
    expect(replayed.next(WINDOW, Number.POSITIVE_INFINITY)).toBeNull();
  });

  it('is done when the last acknowledgement covers everything, not before', () => {
    const replayed = call(5);
    replayed.next(WINDOW, Number.POSITIVE_INFINITY);
    replayed.received(ack(4).subarray(0, 3));
    replayed.received(ack(4).subarray(3));
    expect(replayed.isAcknowledged).toBe(false);
    replayed.received(ack(5));
    expect(replayed.isAcknowledged).toBe(true);
  });

  it('refuses an acknowledgement of what was not sent, or of less than before', () => {
    const replayed = call(2);
    replayed.next(WINDOW, Number.POSITIVE_INFINITY);
    expect(() => replayed.received(ack(3))).toThrow('message 3 is acknowledged after 0, of 2 sent');
    const other = call(2);
    other.next(WINDOW, Number.POSITIVE_INFINITY);
    other.received(ack(2));
    expect(() => other.received(ack(1))).toThrow('after 2');
  });
});
