/**
 * For orientation: the service one would write in an afternoon. proto-loader's defaults, JSON.stringify, a write stream per
 * session, acknowledged when the call or the batch ends, before anything is flushed.
 */
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { announce } from './announce.js';
import { loadLogService, type WriteLogAck, type WriteLogBatch, type WriteLogResponse } from './repository.js';

interface Frame {
  readonly sessionId: string;
  seq: number;
}

class SessionFile {
  readonly stream: WriteStream;
  seq = 0;

  constructor(path: string) {
    this.stream = createWriteStream(path);
  }
}

const directory = process.env['LOG_DIR'] ?? '.';
mkdirSync(directory, { recursive: true });
const files = new Map<string, SessionFile>();

function write(frame: Frame): void {
  let file = files.get(frame.sessionId);
  if (file === undefined) {
    file = new SessionFile(join(directory, `${frame.sessionId}.ndjson`));
    files.set(frame.sessionId, file);
  }
  file.seq++;
  frame.seq = file.seq;
  file.stream.write(`${JSON.stringify(frame)}\n`);
}

const server = new Server();
const { WriteLogStream, WriteLogBatches } = loadLogService<Frame>();
server.addService(
  { WriteLogStream, WriteLogBatches },
  {
    WriteLogStream: (call: ServerReadableStream<Frame, WriteLogResponse>, respond: sendUnaryData<WriteLogResponse>) => {
      let frames = 0;
      call.on('data', (frame: Frame) => {
        frames++;
        write(frame);
      });
      call.on('end', () => respond(null, { framesReceived: frames, status: 'ACKNOWLEDGED' }));
    },
    WriteLogBatches: (call: ServerDuplexStream<WriteLogBatch<Frame>, WriteLogAck>) => {
      call.on('data', ({ batchId, frames }: WriteLogBatch<Frame>) => {
        for (const frame of frames) {
          write(frame);
        }
        call.write({ batchId, durable: false, rejected: [], duplicates: 0 });
      });
      call.on('end', () => call.end());
    },
  },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), announce);
process.once('SIGTERM', () => {
  server.forceShutdown();
  for (const file of files.values()) {
    file.stream.end();
  }
});
