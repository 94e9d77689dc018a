import {
  type ClientDuplexStream,
  type ClientWritableStream,
  credentials,
  loadPackageDefinition,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { encodeBatch, encodeFrame, type FrameFields } from './frames.js';
import { loggingProto } from './logging-proto.js';

export interface WriteLogResponse {
  frames_received: number;
  status: string;
  frames_written: number;
  duplicates: number;
  sessions: { session_id: string; first_seq: number; last_seq: number }[];
  durable: boolean;
}

/** How a WriteLogStream call ended. */
export type Answer =
  | { readonly ok: true; readonly response: WriteLogResponse }
  | { readonly ok: false; readonly code: number; readonly details: string; readonly trailers: Metadata };

export interface WriteStream {
  /** Sends a frame, or raw bytes in place of one; waits while the transport is full. */
  send(frame: FrameFields | Buffer): Promise<void>;
  /** Half-closes and waits for the answer. */
  finish(): Promise<Answer>;
  /** Resolves with the answer whenever it comes. */
  readonly answer: Promise<Answer>;
  cancel(): void;
}

export interface WriteLogAck {
  batch_id: number;
  durable: boolean;
  sessions: { session_id: string; first_seq: number; last_seq: number }[];
  rejected: { batch_id: number; index: number; field: string; reason: string }[];
  duplicates: number;
}

export interface BatchStream {
  readonly acks: WriteLogAck[];
  /** Sends a batch, or raw bytes in place of one. */
  send(batchId: number, frames: readonly (FrameFields | Buffer)[]): void;
  sendRaw(bytes: Buffer): void;
  /** Resolves when a batch, and so all before it, is acknowledged. */
  acknowledged(batchId: number): Promise<void>;
  /** Half-closes; resolves with how the call ended. */
  finish(): Promise<{ code: number; details: string }>;
  readonly ended: Promise<{ code: number; details: string }>;
  cancel(): void;
}

interface RawClient {
  WriteLogBatches(): ClientDuplexStream<Buffer, WriteLogAck>;
  WriteLogStream(
    callback: (error: ServiceError | null, response: WriteLogResponse) => void,
  ): ClientWritableStream<Buffer>;
  close(): void;
}

function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** A real grpc-js client of LogService that sends the bytes it is given. */
export class LogClient implements Disposable {
  readonly #client: RawClient;

  constructor(address: string) {
    const definition = loggingProto();
    const service = definition['logging.v1.LogService'] as unknown as Record<string, object>;
    service['WriteLogBatches'] = { ...service['WriteLogBatches'], requestSerialize: (bytes: Buffer) => bytes };
    service['WriteLogStream'] = { ...service['WriteLogStream'], requestSerialize: (bytes: Buffer) => bytes };
    const loaded = loadPackageDefinition(definition) as unknown as {
      logging: { v1: { LogService: new (address: string, credentials: object, options: object) => RawClient } };
    };
    // Connections are shared between clients of one process otherwise.
    const options = { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_send_message_length': -1 };
    this.#client = new loaded.logging.v1.LogService(address, credentials.createInsecure(), options);
  }

  open(): WriteStream {
    let resolveAnswer: (answer: Answer) => void = () => undefined;
    const answer = new Promise<Answer>((resolve) => {
      resolveAnswer = resolve;
    });
    const call = this.#client.WriteLogStream((error, response) => {
      resolveAnswer(
        error === null
          ? { ok: true, response }
          : { ok: false, code: error.code, details: error.details, trailers: error.metadata },
      );
    });
    // An ended call reports itself through the answer.
    call.on('error', () => undefined);
    // One pair of listeners for the whole call: a million of them would be what the test measures.
    let ended = false;
    let goOn: () => void = () => undefined;
    call.on('drain', () => goOn());
    void answer.then(() => {
      ended = true;
      goOn();
    });
    return {
      answer,
      async send(frame) {
        const taken = call.write(Buffer.isBuffer(frame) ? frame : encodeFrame(frame));
        if (!taken && !ended) {
          await new Promise<void>((resolve) => {
            goOn = resolve;
          });
        }
      },
      finish() {
        call.end();
        return answer;
      },
      cancel: () => call.cancel(),
    };
  }

  openBatches(): BatchStream {
    const call = this.#client.WriteLogBatches();
    const acks: WriteLogAck[] = [];
    const waiting = new Set<() => void>();
    call.on('data', (ack: WriteLogAck) => {
      acks.push(ack);
      for (const check of waiting) {
        check();
      }
    });
    const ended = new Promise<{ code: number; details: string }>((resolve) => {
      call.on('status', ({ code, details }) => resolve({ code, details }));
      // The status says it as well.
      call.on('error', () => undefined);
    });
    return {
      acks,
      ended,
      send: (batchId, frames) => void call.write(encodeBatch(batchId, frames)),
      sendRaw: (bytes) => void call.write(bytes),
      acknowledged(batchId) {
        const { promise, resolve, reject } = withResolvers();
        const check = (): void => {
          if ((acks.at(-1)?.batch_id ?? -1) >= batchId) {
            waiting.delete(check);
            resolve();
          }
        };
        waiting.add(check);
        void ended.then(({ details }) => reject(new Error(`the call ended: ${details}`)));
        check();
        return promise;
      },
      finish() {
        call.end();
        return ended;
      },
      cancel: () => call.cancel(),
    };
  }

  /** One call with these frames. */
  async write(frames: Iterable<FrameFields | Buffer>): Promise<Answer> {
    const stream = this.open();
    for (const frame of frames) {
      await stream.send(frame);
    }
    return stream.finish();
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
