/** What a WebSocket viewer is sent, as whole text frames (RFC 6455): one message a line. */
import type { LogLines } from '../reading/log-events.js';
import { parsedLines } from '../reading/parsed-lines.js';
import type { EventEncoding } from './deliver.js';

/** Of a session that goes on, and of one that was completed without a status. */
const RUNNING = 'running';
const STOPPED = 'stopped';

const FINAL_TEXT_FRAME = 0x81;
const LENGTH_IN_16_BITS = 126;
const LENGTH_IN_64_BITS = 127;

export const websocketMessages: EventEncoding = {
  lines: (lines) => lines.as(encode),
  gap: ({ firstSeq, lastSeq }) => message({ type: 'gap', isComplete: false, status: RUNNING, firstSeq, lastSeq }),
  end: ({ lastSeq, completion }) =>
    message({
      type: 'complete',
      isComplete: true,
      status: completion?.status || STOPPED,
      exitCode: completion?.exitCode ?? undefined,
      lastSeq,
    }),
  error: (error) => message({ type: 'error', isComplete: false, status: RUNNING, ...error }),
};

function encode(lines: LogLines): Buffer {
  return Buffer.concat(
    parsedLines(lines).map(({ frame: { content = '', seq, time, user_id, role, metadata } }) =>
      message({ type: 'log', content, isComplete: false, status: RUNNING, seq, time, user_id, role, metadata }),
    ),
  );
}

function message(body: object): Buffer {
  const payload = Buffer.from(JSON.stringify(body));
  return Buffer.concat([header(payload.length), payload]);
}

/** Servers do not mask. */
function header(length: number): Buffer {
  if (length < LENGTH_IN_16_BITS) {
    return Buffer.of(FINAL_TEXT_FRAME, length);
  }
  if (length <= 0xffff) {
    return Buffer.of(FINAL_TEXT_FRAME, LENGTH_IN_16_BITS, length >>> 8, length & 0xff);
  }
  const long = Buffer.alloc(10);
  long[0] = FINAL_TEXT_FRAME;
  long[1] = LENGTH_IN_64_BITS;
  long.writeBigUInt64BE(BigInt(length), 2);
  return long;
}
