import { type ClientHttp2Session, connect } from 'node:http2';
import { loadLogReader } from './repository.js';
import type { StreamEvents, ViewedStream } from './viewer.js';

const STREAMS_PER_CONNECTION = 50;
const HEADER_BYTES = 5;
const { StreamSessionLogs } = loadLogReader();

/** Connections with their streams so far, by port. */
const connections = new Map<number, { session: ClientHttp2Session; streams: number }>();

function connection(port: number): ClientHttp2Session {
  const known = connections.get(port);
  if (known !== undefined && known.streams < STREAMS_PER_CONNECTION && !known.session.closed) {
    known.streams++;
    return known.session;
  }
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  session.unref();
  connections.set(port, { session, streams: 1 });
  return session;
}

/** The lines of a session over LogReader.StreamSessionLogs, without a gRPC client's own cost. */
export function openGrpcStream(port: number, sessionId: string, afterSeq: number, events: StreamEvents): ViewedStream {
  const stream = connection(port).request({
    ':method': 'POST',
    ':path': StreamSessionLogs.path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const request = StreamSessionLogs.requestSerialize({ sessionId, afterSeq, follow: true });
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(request.length, 1);
  stream.end(Buffer.concat([header, request]));
  let rest: Buffer = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + rest.readUInt32BE(at + 1);
      if (end > rest.length) {
        break;
      }
      const { frame } = StreamSessionLogs.responseDeserialize(rest.subarray(at + HEADER_BYTES, end));
      if (frame) {
        events.line(frame.seq, frame.content);
      }
      at = end;
    }
    rest = rest.subarray(at);
  });
  stream.on('error', () => undefined);
  stream.once('close', () => events.ended());
  return {
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    destroy: () => stream.destroy(),
  };
}
