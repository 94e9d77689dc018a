import { CompletingClient } from '../support/completing-client.js';
import { encodeFrame, type FrameFields } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';

/** Frames 1, 2, 3, … that go to one session; and the journal: which were sent, which are acknowledged. */
export interface Source {
  readonly sessionId: string;
  /** Null: the frames carry their number as `seq`; else as `producer_seq`. */
  readonly producerId: string | null;
  readonly by: 'batches' | 'stream';
  /** Highest number that went out; all below it did. */
  sent: number;
  /** Highest number that was acknowledged, with all below it. */
  acknowledged: number;
}

/** How the agent said that a session ended. */
export interface ToldCompletion {
  readonly sessionId: string;
  readonly status: string;
  readonly exitCode: number;
  /** Null: no answer came. */
  lastSeq: number | null;
}

/** How one attempt to send went. */
export interface Attempt {
  /** Everything was acknowledged. */
  readonly ok: boolean;
  /** Of the calls that failed. */
  readonly failures: readonly { readonly code: number; readonly details: string }[];
}

const BATCH_FRAMES = 4;
const FIRST_SECOND = Date.UTC(2026, 10, 21, 10) / 1000;

/** Sources of each kind: client seqs and producer seqs, batches and streams, and two producers in one session. */
export function sourcesOfEachKind(): Source[] {
  return [
    source('numbered', null, 'batches'),
    source('produced', 'p1', 'batches'),
    source('streamed', 'p1', 'stream'),
    source('shared', 'p1', 'batches'),
    source('shared', 'p2', 'stream'),
  ];
}

export function source(sessionId: string, producerId: string | null, by: Source['by']): Source {
  return { sessionId, producerId, by, sent: 0, acknowledged: 0 };
}

/** What frame number `n` of a source looks like: the same each time it is sent. */
export function frameOf({ sessionId, producerId }: Source, n: number): FrameFields {
  return {
    session_id: sessionId,
    role: 'assistant',
    time: { seconds: FIRST_SECOND + n },
    content: contentOf(producerId ?? 'seq', n),
    ...(producerId === null ? { seq: n } : { producer_id: producerId, producer_seq: n }),
  };
}

/** Of different lengths, so that rotation by size cuts in different places. */
function contentOf(producer: string, n: number): string {
  return `${producer} ${n} ${'"quoted" é '.repeat((n * 7) % 11)}`;
}

/** The line that has to be stored for it, without its newline. */
export function lineOf(from: Source, n: number, seq: number): string {
  const time = new Date((FIRST_SECOND + n) * 1000).toISOString().replace('.000Z', 'Z');
  const { sessionId: session_id, producerId } = from;
  const content = contentOf(producerId ?? 'seq', n);
  const producer = producerId === null ? {} : { producer_id: producerId, producer_seq: n };
  return JSON.stringify({ seq, time, session_id, role: 'assistant', content, ...producer });
}

/**
 * An agent as DESIGN §4 wants it: it sends in order, keeps what is not acknowledged, and sends that again after each
 * interruption before anything else.
 */
export class Agent {
  readonly sources: readonly Source[];
  readonly completions: ToldCompletion[] = [];

  constructor(sources: readonly Source[] = sourcesOfEachKind()) {
    this.sources = sources;
  }

  get acknowledged(): number {
    return this.sources.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  /** Nothing is left to be sent again. */
  get settled(): boolean {
    return this.sources.every(({ sent, acknowledged }) => sent === acknowledged);
  }

  /**
   * Sends what is not acknowledged, then `fresh` frames more of each source, over one connection; resolves when all is acknowledged or
   * the calls have ended.
   * @param signal cancels the calls
   */
  async send(address: string, fresh: number, signal?: AbortSignal): Promise<Attempt> {
    using client = new LogClient(address);
    const failures = await Promise.all([
      this.#sendBatches(client, fresh, signal),
      this.#sendStream(client, fresh, signal),
    ]);
    return {
      ok: failures.every((failure) => failure === null),
      failures: failures.filter((failure) => failure !== null),
    };
  }

  async #sendBatches(
    client: LogClient,
    fresh: number,
    signal?: AbortSignal,
  ): Promise<Attempt['failures'][number] | null> {
    const batches = chunksOf(this.#due('batches', fresh));
    if (batches.length === 0) {
      return null;
    }
    const stream = client.openBatches();
    const cancel = (): void => stream.cancel();
    signal?.addEventListener('abort', cancel);
    let marked = 0;
    const mark = (): void => {
      for (const acked = stream.acks.at(-1)?.batch_id ?? 0; marked < acked; marked++) {
        acknowledge(batches[marked] ?? []);
      }
    };
    for (const [index, batch] of batches.entries()) {
      stream.send(index + 1, batch.map(sentFrame));
      stream.acknowledged(index + 1).then(mark, () => undefined);
    }
    const end = await stream.finish();
    signal?.removeEventListener('abort', cancel);
    mark();
    const rejected = stream.acks.flatMap((ack) => ack.rejected)[0];
    if (rejected !== undefined) {
      throw new Error(`a frame was rejected: ${rejected.field} ${rejected.reason}`);
    }
    return end.code === 0 && marked === batches.length ? null : end;
  }

  async #sendStream(
    client: LogClient,
    fresh: number,
    signal?: AbortSignal,
  ): Promise<Attempt['failures'][number] | null> {
    const due = this.#due('stream', fresh);
    if (due.length === 0) {
      return null;
    }
    const stream = client.open();
    const cancel = (): void => stream.cancel();
    signal?.addEventListener('abort', cancel);
    for (const frame of due) {
      await stream.send(sentFrame(frame));
    }
    const answer = await stream.finish();
    signal?.removeEventListener('abort', cancel);
    if (answer.ok) {
      if (answer.response.frames_received !== due.length) {
        throw new Error(`${due.length} frames were sent, ${answer.response.frames_received} are acknowledged`);
      }
      acknowledge(due);
      return null;
    }
    return { code: answer.code, details: answer.details };
  }

  /** Completes the first source's session, as it has done never before. Resolves to whether that was answered. */
  async complete(address: string): Promise<boolean> {
    using client = new CompletingClient(address);
    const exitCode = this.completions.length;
    const told = { sessionId: this.sources[0]?.sessionId ?? '', status: `ended ${exitCode}`, exitCode };
    const completion: ToldCompletion = { ...told, lastSeq: null };
    this.completions.push(completion);
    const { sessionId: session_id, status } = told;
    const answer = await client.complete({ session_id, status, exit_code: exitCode });
    completion.lastSeq = typeof answer === 'number' ? answer : null;
    return typeof answer === 'number';
  }

  /** Sources in turn, as a busy agent's frames come. */
  #due(by: Source['by'], fresh: number): DueFrame[] {
    const queues = this.sources
      .filter((candidate) => candidate.by === by)
      .map((from) => ({ from, next: from.acknowledged + 1, last: from.sent + fresh }));
    const due: DueFrame[] = [];
    while (queues.some(({ next, last }) => next <= last)) {
      for (const queue of queues.filter(({ next, last }) => next <= last)) {
        due.push({ from: queue.from, n: queue.next++ });
      }
    }
    return due;
  }
}

interface DueFrame {
  readonly from: Source;
  readonly n: number;
}

function chunksOf(frames: readonly DueFrame[]): DueFrame[][] {
  return Array.from({ length: Math.ceil(frames.length / BATCH_FRAMES) }, (_, index) =>
    frames.slice(index * BATCH_FRAMES, (index + 1) * BATCH_FRAMES),
  );
}

function sentFrame({ from, n }: DueFrame): Buffer {
  from.sent = Math.max(from.sent, n);
  return encodeFrame(frameOf(from, n));
}

function acknowledge(frames: readonly DueFrame[]): void {
  for (const { from, n } of frames) {
    from.acknowledged = Math.max(from.acknowledged, n);
  }
}
