import { Metadata, Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import * as protobuf from 'protobufjs';

const raw = (bytes: Buffer): Buffer => bytes;

/** Refuses the first streams that bring a batch, with RetryInfo as logweir does; acknowledges the others. */
export class OverloadedServer {
  /** When each stream brought its first batch, monotonic milliseconds. */
  readonly streamsAtMs: number[] = [];
  address = '';
  readonly #server = new Server();
  readonly #retrySeconds: number;
  readonly #refusals: number;

  private constructor(retrySeconds: number, refusals: number) {
    this.#retrySeconds = retrySeconds;
    this.#refusals = refusals;
    const method = {
      path: '/logging.v1.LogService/WriteLogBatches',
      requestStream: true,
      responseStream: true,
      requestSerialize: raw,
      requestDeserialize: raw,
      responseSerialize: raw,
      responseDeserialize: raw,
    };
    this.#server.addService({ WriteLogBatches: method }, { WriteLogBatches: (call: Call) => this.#serve(call) });
  }

  static async start(retrySeconds: number, refusals: number): Promise<OverloadedServer> {
    const server = new OverloadedServer(retrySeconds, refusals);
    const port = await new Promise<number>((resolve, reject) => {
      server.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    server.address = `127.0.0.1:${port}`;
    return server;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #serve(call: Call): void {
    let isFirst = true;
    call.on('end', () => call.end());
    call.on('data', (batch: Buffer) => {
      if (isFirst) {
        isFirst = false;
        this.streamsAtMs.push(performance.now());
      }
      if (this.streamsAtMs.length <= this.#refusals) {
        const details = 'too many bytes wait to be stored';
        call.emit('error', { code: status.RESOURCE_EXHAUSTED, details, metadata: retryInfo(this.#retrySeconds) });
        return;
      }
      // batch_id is field 1, and comes first: it is acknowledged in the same field of WriteLogAck.
      const reader = protobuf.Reader.create(batch);
      reader.uint32();
      call.write(Buffer.from(protobuf.Writer.create().uint32(8).int64(reader.int64()).finish()));
    });
  }
}

type Call = ServerDuplexStream<Buffer, Buffer>;

/** google.rpc.Status { details: [Any { RetryInfo { Duration { seconds, nanos: 500,000,000 } } }] } */
function retryInfo(seconds: number): Metadata {
  const field = (tag: number, content: Uint8Array): Uint8Array =>
    protobuf.Writer.create().uint32(tag).bytes(content).finish();
  const duration = protobuf.Writer.create().uint32(8).int64(seconds).uint32(16).int32(500_000_000).finish();
  const type = field(10, Buffer.from('type.googleapis.com/google.rpc.RetryInfo'));
  const metadata = new Metadata();
  metadata.set(
    'grpc-status-details-bin',
    Buffer.from(field(26, Buffer.concat([type, field(18, field(10, duration))]))),
  );
  return metadata;
}
