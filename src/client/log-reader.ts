import { type Client, Metadata, type ServiceError } from '@grpc/grpc-js';
import { formatRfc3339 } from '../frame/rfc3339.js';
import type { ListSessionsRequest } from '../grpc/generated/logging/v1/ListSessionsRequest.js';
import type { ListSessionsResponse__Output as ListSessionsResponse } from '../grpc/generated/logging/v1/ListSessionsResponse.js';
import type { SessionInfo__Output as SessionInfo } from '../grpc/generated/logging/v1/SessionInfo.js';
import { isReady, methodOf, openClient } from './channel.js';
import { CONNECT_TIMEOUT_MS } from './log-connection.js';
import { ReadError } from './read-error.js';
import type { SessionState, TailFilter, TailRequest } from './tail-event.js';
import { TailStream } from './tail-stream.js';
import { unlessAborted } from './unless-aborted.js';
import { whyUnreachable } from './unreachable.js';

/** A frame may be as large as LOG_MAX_FRAME_BYTES says, which this side does not know. */
const MESSAGE_BYTES_MAX = 64 << 20;
const UNARY_TIMEOUT_MS = 60_000;

/** One connection to a server's LogReader; it comes back by itself after it broke. Plaintext. */
export class LogReader {
  /** `HOST:PORT` */
  readonly server: string;
  readonly #client: Client;

  constructor(server: string) {
    this.server = server;
    this.#client = openClient(server, { 'grpc.max_receive_message_length': MESSAGE_BYTES_MAX });
  }

  /** Resolves when there is a connection. @throws ReadError UNREACHABLE; the reason of `signal`, which ends the waiting */
  async ready(timeoutMs = CONNECT_TIMEOUT_MS, signal?: AbortSignal): Promise<void> {
    const error = await unlessAborted(isReady(this.#client, timeoutMs), signal);
    if (error !== null) {
      throw ReadError.unreachable(this.server, await whyUnreachable(this.server), error);
    }
  }

  /** One call: does not come back after it broke. LogTail does. @param accepted see TailStreamOptions */
  stream(request: TailRequest, accepted: () => void = () => undefined): TailStream {
    const { sessionId, afterSeq = 0, tail = 0, follow = false, filter } = request;
    const range = tail > 0 ? { tail } : { after_seq: afterSeq };
    const message = { session_id: sessionId, ...range, follow, filter: filter === undefined ? null : filterOf(filter) };
    return new TailStream(this.#client, message, { server: this.server, accepted });
  }

  /** How far a session has come. @throws ReadError; the reason of `signal` */
  async session(sessionId: string, signal?: AbortSignal): Promise<SessionState> {
    const asked = this.#ask<SessionInfo>('GetSession', { session_id: sessionId }, sessionId);
    return stateOf(await unlessAborted(asked, signal));
  }

  /** All sessions whose id begins with `prefix`, by their names on disk. @throws ReadError and the reason of `signal` while it is iterated */
  async *sessions(prefix = '', signal?: AbortSignal): AsyncGenerator<SessionState, void> {
    let token = '';
    do {
      const request: ListSessionsRequest = { prefix, page_size: 1000, page_token: token };
      const asked = this.#ask<ListSessionsResponse>('ListSessions', request, prefix);
      const page = await unlessAborted(asked, signal);
      yield* page.sessions.map(stateOf);
      token = page.next_page_token;
    } while (token !== '');
  }

  /** Ends what is open. */
  close(): void {
    this.#client.close();
  }

  #ask<Response>(method: string, request: object, sessionId: string): Promise<Response> {
    const { path, requestSerialize, responseDeserialize } = methodOf<object, Response>('LogReader', method);
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + UNARY_TIMEOUT_MS };
      const answered = (error: ServiceError | null, response?: Response): void => {
        if (error === null && response !== undefined) {
          resolve(response);
        } else if (error !== null) {
          reject(ReadError.fromStatus(error, this.server, sessionId));
        }
      };
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        options,
        answered,
      );
    });
  }
}

function filterOf(filter: TailFilter) {
  const { levels, roles, userIds, keywords, startTime, endTime, pattern } = filter;
  return {
    levels: [...(levels ?? [])],
    roles: [...(roles ?? [])],
    user_ids: [...(userIds ?? [])],
    keywords: [...(keywords ?? [])],
    start_time: startTime ?? null,
    end_time: endTime ?? null,
    pattern: pattern ?? '',
  };
}

function stateOf(info: SessionInfo): SessionState {
  const { last_time: time } = info;
  return {
    sessionId: info.session_id,
    status: info.status,
    exitCode: info.exit_code ?? null,
    firstSeq: info.first_seq,
    lastSeq: info.last_seq,
    lastTime: time === null ? '' : formatRfc3339(time),
    segments: info.segments,
    storedBytes: info.bytes,
  };
}
