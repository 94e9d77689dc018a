import type { CompletionOutcome } from '../../../src/sealing/completions.js';
import { delimited, FIELD, join, timestamp, varintField } from '../../frame/wire-writer.js';

/** A frame as an agent sent it. */
export interface SentFrame {
  readonly sessionId: string;
  /** Of no other frame, and of no other attempt where a repeat can't be told. */
  readonly content: string;
  /** 0: the server assigns. */
  readonly seq: number;
  /** Empty: none. */
  readonly producerId: string;
  readonly producerSeq: number;
  /** Null: the server's. */
  readonly timeSeconds: number | null;
  readonly bytes: Buffer;
  /** The server said that it is stored. */
  acknowledged: boolean;
}

/** How somebody said that a session ended. */
export interface ToldCompletion {
  readonly sessionId: string;
  readonly status: string;
  readonly exitCode: number | null;
  /** Null while there is no answer, which may be for ever. */
  outcome: CompletionOutcome | null;
}

/** What was sent, and what of it was acknowledged: what is stored must agree with it. */
export class Journal {
  readonly frames = new Map<string, SentFrame>();
  readonly violations: string[] = [];
  readonly told: ToldCompletion[] = [];

  send(frame: Omit<SentFrame, 'bytes' | 'acknowledged'>): SentFrame {
    const sent = { ...frame, bytes: wireBytes(frame), acknowledged: false };
    this.frames.set(frame.content, sent);
    return sent;
  }

  tell(completion: Omit<ToldCompletion, 'outcome'>): ToldCompletion {
    const told = { ...completion, outcome: null };
    this.told.push(told);
    return told;
  }

  /** Completions that were answered with success. */
  get completed(): number {
    return this.told.filter(({ outcome }) => outcome?.kind === 'completed').length;
  }

  get acknowledged(): number {
    let count = 0;
    for (const { acknowledged } of this.frames.values()) {
      count += acknowledged ? 1 : 0;
    }
    return count;
  }
}

function wireBytes(frame: Omit<SentFrame, 'bytes' | 'acknowledged'>): Buffer {
  const { sessionId, content, seq, producerId, producerSeq, timeSeconds } = frame;
  const none = Buffer.alloc(0);
  return join(
    timeSeconds === null ? none : delimited(FIELD.time, timestamp(timeSeconds, 0)),
    delimited(FIELD.sessionId, sessionId),
    seq === 0 ? none : varintField(FIELD.seq, seq),
    delimited(FIELD.content, content),
    producerId === ''
      ? none
      : join(delimited(FIELD.producerId, producerId), varintField(FIELD.producerSeq, producerSeq)),
  );
}
