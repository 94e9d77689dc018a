/**
 * Announces events over Redis: a stream, a list or a channel.
 *
 * ioredis keeps no queue of its own here (it would resend an XADD after a reconnect, and grow without bound): a command
 * whose reply is lost or late rejects, the connection is given up, and the outbox offers the event again.
 */
import type { Socket } from 'node:net';
import { Redis, ReplyError } from 'ioredis';
import { backoffMs } from '../segment/backoff.js';
import type { Clock } from '../segment/clock.js';
import type { Logger } from '../telemetry/logger.js';
import { ANNOUNCE_SCRIPT, ANNOUNCE_SCRIPT_SHA1, MARKER_SECONDS, markerKey, type RedisMode } from './announce-script.js';
import { type AnnouncementFormat, encodeContent, encodeEnvelope } from './announcement-encoding.js';
import type { Publisher } from './announcer.js';
import type { Announcement } from './outbox-record.js';
import { errnoOf, messageOf } from './sealing-error.js';

export interface RedisPublisherOptions {
  readonly url: string;
  readonly mode: RedisMode;
  readonly key: string;
  readonly format: AnnouncementFormat;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** For the connection, its handshake and each command. */
const TIMEOUT_MS = 5_000;
const RECONNECT = { firstMs: 100, maxMs: 2_000 };

/** Connects to nothing before open(); never throws. */
export function createRedisPublisher(options: RedisPublisherOptions): Publisher {
  return new RedisPublisher(options);
}

class RedisPublisher implements Publisher {
  readonly #options: RedisPublisherOptions;
  readonly #redis: Redis;
  #onUsable: () => void = () => undefined;
  /** The last connection error that was logged: the same one again is not news. */
  #lastError: string | null = null;
  #isClosed = false;

  constructor(options: RedisPublisherOptions) {
    this.#options = options;
    this.#redis = new Redis(options.url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      // 0: what is in flight when the connection breaks rejects then, and not with some later reconnect.
      maxRetriesPerRequest: 0,
      connectTimeout: TIMEOUT_MS,
      // Also ends a handshake with a server that accepts connections and says nothing.
      commandTimeout: TIMEOUT_MS,
      connectionName: 'logweir',
      retryStrategy: (attempt) => backoffMs(attempt, RECONNECT) * (0.5 + Math.random() / 2),
    });
    this.#redis.on('error', (error: Error) => this.#connectionFailed(error));
    this.#redis.on('close', () => this.#connectionLost());
    this.#redis.on('ready', () => this.#connected());
    this.#redis.on('connect', () => this.#redis.stream.unref());
    this.#redis.on('end', () => this.#startOver());
  }

  get usable(): boolean {
    return this.#redis.status === 'ready';
  }

  open(onUsable: () => void): void {
    this.#onUsable = onUsable;
    this.#connect();
  }

  async publish(announcements: readonly Announcement[]): Promise<void> {
    const { key } = this.#options;
    const keys = [key, ...announcements.map(({ content }) => markerKey(key, content.event_id))];
    const values = announcements.flatMap((announcement) => this.#argumentsOf(announcement));
    try {
      await this.#runScript([keys.length, ...keys, this.#options.mode, MARKER_SECONDS, ...values]);
    } catch (error) {
      if (needsNewConnection(error)) {
        this.#redis.disconnect(true);
      }
      // Not the error itself: ioredis hangs the command and its arguments on it, and it is going to be logged.
      // oxlint-disable-next-line eslint/preserve-caught-error
      throw new Error(`Redis: ${this.#reasonOf(error)}`);
    }
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#redis.disconnect();
    // disconnect() alone would wait for a frozen server to close its side.
    const stream: Socket | undefined = this.#redis.stream;
    stream?.destroy();
    return Promise.resolve();
  }

  async #runScript(parameters: Array<string | number | Buffer>): Promise<void> {
    try {
      await this.#redis.call('EVALSHA', ANNOUNCE_SCRIPT_SHA1, ...parameters);
    } catch (error) {
      if (!isReply(error, 'NOSCRIPT')) {
        throw error;
      }
      await this.#redis.call('EVAL', ANNOUNCE_SCRIPT, ...parameters);
    }
  }

  #argumentsOf(announcement: Announcement): Array<string | Buffer> {
    const { mode, format } = this.#options;
    if (mode !== 'stream') {
      return [encodeEnvelope(announcement, format)];
    }
    const { type, content, timestamp } = announcement;
    return [content.event_id, type, format, encodeContent(announcement, format), timestamp];
  }

  #connect(): void {
    // A failed first try is reported by 'error', and retryStrategy goes on from there.
    this.#redis.connect().catch(() => undefined);
  }

  #connected(): void {
    this.#lastError = null;
    this.#options.logger.info({ redis: this.#place(), mode: this.#options.mode }, 'Connected to Redis.');
    this.#onUsable();
  }

  #connectionFailed(error: Error): void {
    const reason = this.#reasonOf(error);
    if (this.#isClosed || this.#lastError === reason) {
      return;
    }
    this.#lastError = reason;
    const redis = this.#place();
    this.#options.logger.warn({ redis, reason }, 'Redis cannot be used; events stay in the outbox meanwhile.');
  }

  /** Not the URL: it may hold a password. */
  #place(): string {
    const { host, port, path } = this.#redis.options;
    return path ?? `${host}:${port}`;
  }

  /** Some servers repeat a command they do not know, AUTH and all, in their answer. */
  #reasonOf(error: unknown): string {
    const { password } = this.#redis.options;
    // A host with several addresses that all refuse: the message is empty.
    const message = messageOf(error) || errnoOf(error) || 'unknown error';
    return password ? message.replaceAll(password, '***') : message;
  }

  #connectionLost(): void {
    if (this.#lastError === null) {
      this.#connectionFailed(new Error('the connection to Redis was lost'));
    }
  }

  /** ioredis gives up when it cannot even make a socket; we do not. */
  #startOver(): void {
    if (!this.#isClosed) {
      this.#options.clock.after(RECONNECT.maxMs, () => {
        if (!this.#isClosed) {
          this.#connect();
        }
      });
    }
  }
}

/** A lost or late reply, or a server that was demoted: whoever answers next may know better. */
function needsNewConnection(error: unknown): boolean {
  return !(error instanceof ReplyError) || isReply(error, 'READONLY');
}

/** Redis 6 puts the code of an error inside a script behind a sentence of its own. */
function isReply(error: unknown, code: string): boolean {
  return error instanceof ReplyError && messageOf(error).includes(code);
}
