import { fileURLToPath } from 'node:url';
import { Client, credentials, type MethodDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTOS = fileURLToPath(new URL('../../protos', import.meta.url));

export interface SessionInfo {
  session_id: string;
  status: string;
  first_seq: number;
  last_seq: number;
  last_time: { seconds: number; nanos: number } | null;
  segments: number;
  bytes: number;
  exit_code?: number;
  producer_seq: number;
}

export interface Failure {
  readonly code: number;
  readonly details: string;
}

/** A real grpc-js client of LogReader. */
export class ReaderClient implements Disposable {
  readonly #client: Client;
  readonly #getSession: MethodDefinition<object, SessionInfo>;

  constructor(address: string) {
    const definition = loadSync('services/logging/v1/logging.proto', {
      includeDirs: [PROTOS],
      keepCase: true,
      longs: Number,
      defaults: true,
    });
    const service = definition['logging.v1.LogReader'] as unknown as Record<
      string,
      MethodDefinition<object, SessionInfo>
    >;
    const getSession = service['GetSession'];
    if (getSession === undefined) {
      throw new Error('logging.proto has no LogReader.GetSession');
    }
    this.#getSession = getSession;
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  /** Raw bytes go out in place of a request. */
  getSession(
    request: { session_id?: string; producer_id?: string } | Buffer,
    timeoutMs = 60_000,
  ): Promise<SessionInfo | Failure> {
    const { path, requestSerialize, responseDeserialize } = this.#getSession;
    const serialize = Buffer.isBuffer(request) ? () => request : requestSerialize;
    return new Promise((resolve) => {
      const answered = (error: ServiceError | null, info?: SessionInfo): void => {
        if (error === null && info !== undefined) {
          resolve(info);
        } else {
          resolve({ code: error?.code ?? -1, details: error?.details ?? '' });
        }
      };
      const deadline = Date.now() + timeoutMs;
      this.#client.makeUnaryRequest(path, serialize, responseDeserialize, request, { deadline }, answered);
    });
  }

  /** @throws when the server does not answer with OK */
  async session(sessionId: string, producerId = ''): Promise<SessionInfo> {
    const answer = await this.getSession({ session_id: sessionId, producer_id: producerId });
    if ('code' in answer) {
      throw new Error(`${answer.code}: ${answer.details}`);
    }
    return answer;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
