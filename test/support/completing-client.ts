import { Client, credentials, type Metadata, type MethodDefinition, type ServiceError } from '@grpc/grpc-js';
import { loggingProto } from './logging-proto.js';

export interface CompletionFields {
  session_id?: string;
  status?: string;
  exit_code?: number;
}

/** The session's last seq, or how the call ended else. */
export type CompletionAnswer = number | { code: number; details: string; trailers?: Metadata };

type Method = MethodDefinition<object, { last_seq: number }>;

/** A real grpc-js client of LogService.CompleteSession. */
export class CompletingClient implements Disposable {
  readonly #client: Client;
  readonly #method: Method;

  constructor(address: string) {
    const definition = loggingProto();
    const service = definition['logging.v1.LogService'] as unknown as Partial<Record<string, Method>>;
    const method = service['CompleteSession'];
    if (method === undefined) {
      throw new Error('logging.proto has no LogService.CompleteSession');
    }
    this.#method = method;
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  /** Raw bytes go out in place of a request. The trailers come with what is asked for by `withTrailers`. */
  complete(request: CompletionFields | Buffer, timeoutMs = 60_000, withTrailers = false): Promise<CompletionAnswer> {
    const { path, requestSerialize, responseDeserialize } = this.#method;
    const serialize = Buffer.isBuffer(request) ? () => request : requestSerialize;
    return new Promise((resolve) => {
      const answered = (error: ServiceError | null, answer?: { last_seq: number }): void => {
        if (error === null && answer !== undefined) {
          resolve(answer.last_seq);
          return;
        }
        const failure = { code: error?.code ?? -1, details: error?.details ?? '' };
        resolve(withTrailers && error !== null ? { ...failure, trailers: error.metadata } : failure);
      };
      const deadline = Date.now() + timeoutMs;
      this.#client.makeUnaryRequest(path, serialize, responseDeserialize, request, { deadline }, answered);
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
