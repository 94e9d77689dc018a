import type { Metadata } from '@grpc/grpc-js';
import { DELIMITED, VARINT, WireReader } from '../frame/wire.js';

const TYPE = 'type.googleapis.com/google.rpc.RetryInfo';
const wire = new WireReader();

/**
 * How long a server asks to be left alone, in milliseconds, or null when it does not say: google.rpc.RetryInfo in the
 * google.rpc.Status of `grpc-status-details-bin` (googleapis, google/rpc/status.proto and error_details.proto).
 */
export function retryAfterMs(trailers: Metadata): number | null {
  const [status] = trailers.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(status)) {
    return null;
  }
  for (const any of fieldsOf(status, 3)) {
    const [type] = fieldsOf(any, 1);
    const [info] = fieldsOf(any, 2);
    if (type?.toString() === TYPE && info !== undefined) {
      const [duration] = fieldsOf(info, 1);
      return duration === undefined ? null : millisecondsOf(duration);
    }
  }
  return null;
}

/** google.protobuf.Duration: 1 seconds, 2 nanos. */
function millisecondsOf(duration: Buffer): number {
  let ms = 0;
  eachField(duration, (field, wireType) => {
    if (wireType === VARINT) {
      ms += wire.varint.signed() * (field === 1 ? 1_000 : field === 2 ? 1e-6 : 0);
    }
  });
  return Math.max(0, ms);
}

/** The contents of every field of that number, as far as the message can be read. */
function fieldsOf(message: Buffer, number: number): Buffer[] {
  const found: Buffer[] = [];
  eachField(message, (field, wireType, content) => {
    if (field === number && wireType === DELIMITED) {
      found.push(content);
    }
  });
  return found;
}

function eachField(message: Buffer, take: (field: number, wireType: number, content: Buffer) => void): void {
  for (let position = 0; position < message.length; ) {
    position = wire.readTag(message, position, message.length);
    const { tag } = wire;
    const start = position;
    position = position < 0 ? -1 : wire.skip(message, position, message.length, tag);
    if (position < 0) {
      return;
    }
    const isDelimited = (tag & 7) === DELIMITED;
    take(
      tag >>> 3,
      tag & 7,
      isDelimited ? message.subarray(wire.payload, position) : message.subarray(start, position),
    );
  }
}
