import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:http';

export interface SseEvent {
  readonly id: string | null;
  readonly event: string;
  readonly data: string;
}

/** Server-sent events as they come; strict: what a browser would ignore in silence is an error here. */
export class SseClient implements AsyncDisposable {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly events: SseEvent[] = [];
  /** As a browser keeps it; empty: none came. */
  lastEventId = '';
  /** Resolves when the stream's first block came, which is no event, with its id; null: it had none, or never came. */
  readonly opened: Promise<string | null>;
  /** Resolves when the stream ended, to whether it ended as HTTP has it. */
  readonly ended: Promise<boolean>;
  readonly #url: string;
  readonly #response: IncomingMessage;
  #opened: (id: string | null) => void = () => undefined;

  private constructor(url: string, response: IncomingMessage) {
    this.#url = url;
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    this.opened = new Promise((resolve) => {
      this.#opened = resolve;
    });
    let rest = '';
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      rest += text;
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        this.#take(block);
      }
    });
    this.ended = new Promise((resolve) => {
      response.once('close', () => {
        this.#opened(null);
        resolve(response.complete && rest === '');
      });
      response.on('error', () => undefined);
    });
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<SseClient> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(url, { headers, agent: false }, resolve).once('error', reject).end();
    });
    return new SseClient(url, response);
  }

  /** Those of one kind. */
  named(event: string): SseEvent[] {
    return this.events.filter((one) => one.event === event);
  }

  seqs(): number[] {
    return this.named('log').map(({ data }) => (JSON.parse(data) as { seq: number }).seq);
  }

  /** Breaks the connection. @returns connects again with what a browser would send */
  async break(): Promise<() => Promise<SseClient>> {
    await this.close();
    const headers = this.lastEventId === '' ? {} : { 'Last-Event-ID': this.lastEventId };
    return () => SseClient.open(this.#url, headers);
  }

  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  async close(): Promise<void> {
    this.#response.destroy();
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #take(block: string): void {
    const opening = /^retry: \d+(?:\nid: ([^\0\r\n]+))?$/.exec(block);
    if (opening !== null) {
      this.lastEventId = opening[1] ?? this.lastEventId;
      this.#opened(opening[1] ?? null);
      return;
    }
    const match = /^(?:id: ([^\0\r\n]+)\n)?event: ([a-z]+)\ndata: ([^\r\n]+)$/.exec(block);
    if (match === null) {
      throw new Error(`not an event: ${JSON.stringify(block)}`);
    }
    JSON.parse(match[3] ?? '');
    this.lastEventId = match[1] ?? this.lastEventId;
    this.events.push({ id: match[1] ?? null, event: match[2] ?? '', data: match[3] ?? '' });
  }
}
