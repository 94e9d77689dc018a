import { expect } from 'vitest';
import { FrameView } from '../../src/frame/frame-view.js';
import { LineBuffer } from '../../src/frame/line-buffer.js';
import { LineEncoder } from '../../src/frame/line-encoder.js';
import {
  DONE,
  FULL,
  GROUP,
  NO_ROOM,
  OTHER_PRODUCER,
  OTHER_SESSION,
  type RunEncoder,
  type RunSession,
  SLOW,
} from '../../src/frame/run-encoder.js';
import { encodeSessionIdJson } from '../../src/frame/session-id.js';
import * as wire from './wire-writer.js';

export type Format = Parameters<RunEncoder['encodeRun']>[1];

export const SERVER_TIME_MS = 1_763_719_200_123;

export function piece(format: Format, frames: readonly Buffer[]): Buffer {
  return wire.join(...frames.map((frame) => (format === GROUP ? message(frame) : wire.delimited(2, frame))));
}

function message(frame: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(frame.length, 1);
  return wire.join(header, frame);
}

/** Where the frame at `position` stands; null when there is none: what is left is no piece. */
function frameAt(bytes: Buffer, position: number, format: Format): { start: number; end: number } | null {
  let start = position + 5;
  let length = 0;
  if (format === GROUP) {
    if (start > bytes.length || bytes[position] !== 0) {
      return null;
    }
    length = bytes.readUInt32BE(position + 1);
  } else {
    start = position + 1;
    let factor = 1;
    let byte = 0x80;
    for (; byte >= 0x80 && start < position + 11; factor *= 128) {
      byte = bytes[start++] ?? Number.NaN;
      length += (byte & 0x7f) * factor;
    }
    if (bytes[position] !== 0x12 || !(byte < 0x80)) {
      return null;
    }
  }
  return start + length <= bytes.length ? { start, end: start + length } : null;
}

/** A session as SessionWriter has it, of which only numbers and marks are of interest here. */
class Session implements RunSession {
  readonly idBytes: Buffer;
  readonly idJson: Uint8Array;
  lastSeq = 0;
  lines = '';
  readonly marks = new Map<string, number>();

  constructor(id: string) {
    this.idBytes = Buffer.from(id);
    this.idJson = encodeSessionIdJson(id);
  }
}

const view = new FrameView();
const encoder = new LineEncoder();

/** What is stored when frames are taken one by one, as SessionWriter does it; and in runs, by whoever extends this. */
class Store {
  readonly sessions = new Map<string, Session>();
  readonly problems: string[] = [];
  duplicates = 0;
  frameBytes = 0;
  readonly format: Format;
  readonly maxFrameBytes: number;

  constructor(format: Format, maxFrameBytes: number) {
    this.format = format;
    this.maxFrameBytes = maxFrameBytes;
  }

  takeAll(bytes: Buffer): void {
    for (let position = 0; position < bytes.length; ) {
      position = this.takeOne(bytes, position);
    }
  }

  /** @returns where the next one stands */
  takeOne(bytes: Buffer, position: number): number {
    const frame = frameAt(bytes, position, this.format);
    if (frame === null) {
      this.problems.push(`${position}: no frame`);
      return bytes.length;
    }
    const problem =
      frame.end - frame.start > this.maxFrameBytes ? 'large' : this.#take(bytes, frame.start, frame.end)?.field;
    if (problem === undefined) {
      this.frameBytes += frame.end - frame.start;
    } else {
      this.problems.push(`${position}: ${problem}`);
    }
    return frame.end;
  }

  sessionOf(id: string): Session {
    const session = this.sessions.get(id) ?? new Session(id);
    this.sessions.set(id, session);
    return session;
  }

  /** The length of the line that the frame at `position` would get. */
  lineBytes(bytes: Buffer, position: number): number {
    const frame = frameAt(bytes, position, this.format);
    const out = new LineBuffer(16);
    if (frame === null || view.parse(bytes, frame.start, frame.end) !== null) {
      return 0;
    }
    const session = this.sessionOf(bytes.toString('utf8', view.sessionIdStart, view.sessionIdEnd));
    encoder.encode(view, session.idJson, session.lastSeq + 1, SERVER_TIME_MS, out);
    return out.length;
  }

  #take(bytes: Buffer, start: number, end: number): { readonly field: string } | null {
    const problem = view.parse(bytes, start, end);
    if (problem !== null) {
      return problem;
    }
    const session = this.sessionOf(bytes.toString('utf8', view.sessionIdStart, view.sessionIdEnd));
    const producer = view.producerSeq > 0 ? bytes.toString('utf8', view.producerIdStart, view.producerIdEnd) : '';
    if (producer !== '' && view.producerSeq <= (session.marks.get(producer) ?? 0)) {
      this.duplicates++;
      return null;
    }
    if (view.seq !== 0 && view.seq <= session.lastSeq) {
      return { field: 'used' };
    }
    if (session.lastSeq === Number.MAX_SAFE_INTEGER) {
      return { field: 'seq' };
    }
    const seq = view.seq === 0 ? session.lastSeq + 1 : view.seq;
    const out = new LineBuffer(16);
    const refused = encoder.encode(view, session.idJson, seq, SERVER_TIME_MS, out);
    if (refused === null) {
      session.lastSeq = seq;
      session.lines += out.bytes.toString('latin1', 0, out.length);
      if (producer !== '') {
        session.marks.set(producer, view.producerSeq);
      }
    }
    return refused;
  }
}

/** Takes frames in runs, and by the ordinary path what runs do not take. */
class RunStore extends Store {
  readonly runs: RunEncoder;
  /** Asked at each run. */
  readonly roomBytes: () => number;
  /** How often each result came. */
  readonly results = [0, 0, 0, 0, 0, 0];
  /** Frames that were taken in runs. */
  fast = 0;

  constructor(runs: RunEncoder, format: Format, maxFrameBytes: number, roomBytes: () => number) {
    super(format, maxFrameBytes);
    this.runs = runs;
    this.roomBytes = roomBytes;
  }

  /** @param offset how much of `bytes` is no part of the piece */
  override takeAll(bytes: Buffer, offset = 0): void {
    const { runs } = this;
    if (!runs.load(bytes, offset, bytes.length)) {
      throw new Error('too large');
    }
    let session = this.sessionOf('build-42');
    let producer = null as Buffer | null;
    for (let position = offset, result = -1; result !== DONE; ) {
      const room = this.roomBytes();
      const mark: number = producer === null ? 0 : (session.marks.get(producer.toString()) ?? 0);
      result = runs.encodeRun(
        position,
        this.format,
        session,
        session.lastSeq,
        SERVER_TIME_MS,
        this.maxFrameBytes,
        room,
        producer,
        mark,
      );
      const isStuck = runs.position === position;
      position = runs.position;
      this.#taken(session, producer, room);
      if (result === SLOW || result === NO_ROOM) {
        if (result === NO_ROOM && runs.outputBytes + this.lineBytes(bytes, position) <= room) {
          throw new Error(`room of ${room} for ${runs.outputBytes} and one of ${this.lineBytes(bytes, position)}`);
        }
        position = this.takeOne(bytes, position);
      } else if (result === OTHER_SESSION) {
        const other = this.sessionOf(bytes.toString('utf8', runs.idStart, runs.idEnd));
        if (other === session) {
          throw new Error('the session is no other one');
        }
        session = other;
      } else if (result === OTHER_PRODUCER) {
        const other = Buffer.from(bytes.subarray(runs.idStart, runs.idEnd));
        if (producer?.equals(other) === true) {
          throw new Error('the producer is no other one');
        }
        producer = other;
      } else if (result === FULL && isStuck) {
        throw new Error('full, and nothing to take away');
      }
      this.results[result] = (this.results[result] ?? 0) + 1;
    }
  }

  #taken(session: Session, producer: Buffer | null, room: number): void {
    const { runs } = this;
    if (runs.outputBytes > Math.max(0, room)) {
      throw new Error(`${runs.outputBytes} bytes for ${room}`);
    }
    session.lines += runs.output.toString('latin1', 0, runs.outputBytes);
    if (runs.lastSeq !== session.lastSeq + runs.stored) {
      throw new Error(`${runs.lastSeq} is not ${runs.stored} behind ${session.lastSeq}`);
    }
    session.lastSeq = runs.lastSeq;
    if (producer !== null && runs.producerMark > 0) {
      session.marks.set(producer.toString(), runs.producerMark);
    }
    this.duplicates += runs.duplicates;
    this.frameBytes += runs.frameBytes;
    this.fast += runs.stored + runs.duplicates;
  }
}

/** What two of them have to agree on; sessions without anything stored aside. */
function contents(store: Store): unknown {
  return {
    sessions: [...store.sessions]
      .filter(([, session]) => session.lastSeq > 0)
      .map(([id, { lastSeq, lines, marks }]) => ({ id, lastSeq, lines, marks: [...marks].toSorted() }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    problems: store.problems,
    duplicates: store.duplicates,
    frameBytes: store.frameBytes,
  };
}

/**
 * Stores a piece both ways and compares.
 * @returns what was stored in runs
 */
export function storedAlike(
  bytes: Buffer,
  format: Format,
  runs: RunEncoder,
  maxFrameBytes = 1 << 20,
  roomBytes: () => number = () => Number.MAX_SAFE_INTEGER,
): RunStore {
  const expected = new Store(format, maxFrameBytes);
  expected.takeAll(bytes);
  const actual = new RunStore(runs, format, maxFrameBytes, roomBytes);
  actual.takeAll(bytes);
  expect(contents(actual)).toEqual(contents(expected));
  return actual;
}
