import {
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { loggingProto } from './logging-proto.js';

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

export interface Frame {
  readonly seq: number;
  readonly session_id: string;
  readonly content: string;
  readonly role: string;
}

/** One message of StreamSessionLogs, without the members that are not set. */
export interface StreamMessage {
  readonly event: 'frame' | 'gap' | 'end';
  readonly frame?: Frame;
  readonly gap?: { readonly first_seq: number; readonly last_seq: number };
  readonly end?: { readonly status: string; readonly exit_code?: number; readonly last_seq: number };
}

export interface LogStream {
  /** What has come so far. */
  readonly messages: StreamMessage[];
  readonly seqs: number[];
  /** Resolves with the status of the call. */
  readonly ended: Promise<Failure>;
  /** The server has taken the request. */
  readonly accepted: Promise<void>;
  /** Takes nothing more in, until `resume`. */
  pause(): void;
  resume(): void;
  cancel(): void;
}

export interface StreamRequest {
  readonly session_id?: string;
  readonly after_seq?: number;
  readonly tail?: number;
  readonly follow?: boolean;
  readonly filter?: object;
}

interface Page {
  readonly next_page_token: string;
}

export interface Segment {
  readonly id: string;
  readonly session_id: string;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly sealed_at: { readonly seconds: number };
}

/** A real grpc-js client of LogReader. */
export class ReaderClient implements Disposable {
  readonly #client: Client;
  readonly #methods: Record<string, MethodDefinition<object, object>>;

  constructor(address: string) {
    const definition = loggingProto({ oneofs: true });
    this.#methods = definition['logging.v1.LogReader'] as unknown as Record<string, MethodDefinition<object, object>>;
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  /** Raw bytes go out in place of a request. */
  getSession(
    request: { session_id?: string; producer_id?: string } | Buffer,
    timeoutMs = 60_000,
  ): Promise<SessionInfo | Failure> {
    return this.ask<SessionInfo>('GetSession', request, timeoutMs);
  }

  /** A unary call; raw bytes go out in place of a request. */
  ask<Response extends object>(
    method: string,
    request: object | Buffer,
    timeoutMs = 60_000,
  ): Promise<Response | Failure> {
    const { path, requestSerialize, responseDeserialize } = this.#method<Response>(method);
    const serialize = Buffer.isBuffer(request) ? () => request : requestSerialize;
    return new Promise((resolve) => {
      const answered = (error: ServiceError | null, response?: Response): void => {
        if (error === null && response !== undefined) {
          resolve(response);
        } else {
          resolve({ code: error?.code ?? -1, details: error?.details ?? '' });
        }
      };
      const deadline = Date.now() + timeoutMs;
      this.#client.makeUnaryRequest(path, serialize, responseDeserialize, request, { deadline }, answered);
    });
  }

  /** All pages of a listing. @throws when one is not answered with OK */
  async pages<Response extends Page>(method: string, request: object): Promise<Response[]> {
    const pages: Response[] = [];
    for (let token = ''; ; ) {
      const page = await this.ask<Response>(method, { ...request, page_token: token });
      if ('code' in page) {
        throw new Error(`${page.code}: ${page.details}`);
      }
      pages.push(page);
      token = page.next_page_token;
      if (token === '') {
        return pages;
      }
    }
  }

  /** StreamSessionLogs; raw bytes go out in place of a request. */
  stream(request: StreamRequest | Buffer, timeoutMs = 60_000): LogStream {
    const { path, requestSerialize, responseDeserialize } = this.#method<StreamMessage>('StreamSessionLogs');
    const serialize = Buffer.isBuffer(request) ? () => request : requestSerialize;
    const options = { deadline: Date.now() + timeoutMs };
    const call: ClientReadableStream<StreamMessage> = this.#client.makeServerStreamRequest(
      path,
      serialize,
      responseDeserialize,
      request,
      new Metadata(),
      options,
    );
    const messages: StreamMessage[] = [];
    const seqs: number[] = [];
    call.on('data', (message: StreamMessage) => {
      messages.push(message);
      if (message.frame) {
        seqs.push(message.frame.seq);
      }
    });
    call.on('error', () => undefined);
    return {
      messages,
      seqs,
      ended: new Promise((resolve) => {
        call.on('status', ({ code, details }) => resolve({ code, details }));
      }),
      accepted: new Promise((resolve) => {
        call.on('metadata', () => resolve());
      }),
      pause: () => call.pause(),
      resume: () => call.resume(),
      cancel: () => call.cancel(),
    };
  }

  /** @throws when the server does not answer with OK */
  async session(sessionId: string, producerId = ''): Promise<SessionInfo> {
    const answer = await this.getSession({ session_id: sessionId, producer_id: producerId });
    if ('code' in answer) {
      throw new Error(`${answer.code}: ${answer.details}`);
    }
    return answer;
  }

  #method<Response extends object>(name: string): MethodDefinition<object, Response> {
    const method = this.#methods[name];
    if (method === undefined) {
      throw new Error(`logging.proto has no LogReader.${name}`);
    }
    return method as unknown as MethodDefinition<object, Response>;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
