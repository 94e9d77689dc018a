import { fileURLToPath } from 'node:url';
import * as protobuf from 'protobufjs';

const PROTOS = fileURLToPath(new URL('../../protos', import.meta.url));
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith('google/') ? target : `${PROTOS}/${target}`);
root.loadSync('services/logging/v1/logging.proto');
const LogFrame = root.lookupType('logging.v1.LogFrame');

/** Fields of a LogFrame as protobufjs takes them. */
export interface FrameFields {
  session_id?: string;
  user_id?: string;
  role?: string;
  content?: string;
  seq?: number;
  version?: number;
  producer_id?: string;
  producer_seq?: number;
  time?: { seconds: number; nanos?: number };
}

/** The bytes of a LogFrame on the wire. */
export function encodeFrame(fields: FrameFields): Buffer {
  const camel = Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
  return Buffer.from(LogFrame.encode(LogFrame.create(camel)).finish());
}

/** The bytes of a WriteLogBatch on the wire; frames may be raw bytes. */
export function encodeBatch(batchId: number, frames: readonly (FrameFields | Buffer)[]): Buffer {
  const writer = protobuf.Writer.create().uint32(8).int64(batchId);
  for (const frame of frames) {
    writer.uint32(18).bytes(Buffer.isBuffer(frame) ? frame : encodeFrame(frame));
  }
  return Buffer.from(writer.finish());
}
