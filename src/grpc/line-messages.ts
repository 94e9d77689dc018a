/** Stored lines, and what else a viewer is told, as the messages of a gRPC response (gRPC over HTTP2, "Length-Prefixed-Message"). */
import { LineDecoder } from '../frame/line-decoder.js';
import { WireWriter } from '../frame/wire-writer.js';
import type { LogLines } from '../reading/log-events.js';
import { nextLine } from '../reading/stored-line.js';
import type { StreamSessionLogsResponse } from './generated/logging/v1/StreamSessionLogsResponse.js';
import { LOG_READER } from './log-reader.js';
import { methodOf } from './log-service.js';

const HEADER_BYTES = 5;
/** StreamSessionLogsResponse.frame. */
const FRAME_FIELD = 1;

const decoder = new LineDecoder();

/**
 * A StreamSessionLogsResponse for each line, one behind the other, ready for the HTTP/2 stream. (grpc-js takes messages one at a
 * time, and 10 µs for each.)
 * @throws NotALine
 */
export function frameMessages({ bytes }: LogLines): Buffer {
  const to = new WireWriter(bytes.length);
  decoder.load(bytes);
  for (let start = 0; start < bytes.length; ) {
    const end = nextLine(bytes, start);
    const message = to.length;
    to.room(HEADER_BYTES);
    to.length += HEADER_BYTES;
    decoder.decode(start, end, FRAME_FIELD, to);
    writeHeader(to.bytes, message, to.length - message - HEADER_BYTES);
    start = end;
  }
  return to.bytes.subarray(0, to.length);
}

const serialize = methodOf<object, StreamSessionLogsResponse>(LOG_READER, 'StreamSessionLogs').responseSerialize;

/** Any other one: a gap, or the end. */
export function responseMessage(response: StreamSessionLogsResponse): Buffer {
  const content = serialize(response);
  const message = Buffer.alloc(HEADER_BYTES + content.length);
  writeHeader(message, 0, content.length);
  content.copy(message, HEADER_BYTES);
  return message;
}

/** Not compressed, and so long. */
function writeHeader(bytes: Buffer, at: number, length: number): void {
  bytes[at] = 0;
  bytes.writeUInt32BE(length, at + 1);
}
