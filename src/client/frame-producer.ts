/**
 * Frames of one producer, each stored once, over a connection that may break.
 *
 * Ordering: frames are stored in the order of `write`. One stream is open at a time: a later stream could overtake an
 * earlier one on the wire, and its frames would raise the producer's mark above frames still to come.
 *
 * Exactly once: frames carry `producer_id` and an increasing `producer_seq`. A stream is closed after so many frames,
 * bytes or milliseconds; only its response lets go of its frames. When it fails, everything since the last response is
 * sent again, and the server drops what it already has.
 *
 * Bounded: at most `pendingBytesMax` are held unacknowledged, then `write` waits. When nothing at all has moved for
 * `giveUpMs`, `write` stops waiting and counts the frame as lost, so that whoever produces frames is not held up for ever
 * by a server that is gone. What was lost is a gap in `producer_seq`, and a number in the report.
 */
import { randomUUID } from 'node:crypto';
import type { OutgoingFrame } from './frame.js';
import type { LogConnection } from './log-connection.js';
import type { LogStreamWriter, SessionRange, WriteLogResponse } from './log-stream-writer.js';
import { DEFAULT_LIMITS, type ProducerLimits, type ProducerProgress, type ProducerReport } from './producer-report.js';
import { Wakeup } from './wakeup.js';
import { WriteError } from './write-error.js';

/** What a frame costs in memory besides its content, about. */
const FRAME_OVERHEAD_BYTES = 256;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;

interface Pending {
  readonly frame: OutgoingFrame;
  readonly place: number;
  readonly lines: number;
  readonly bytes: number;
}

type State =
  | { readonly kind: 'streaming' }
  | { readonly kind: 'reconnecting'; readonly error: WriteError }
  | { readonly kind: 'stopped'; readonly error: WriteError | null; readonly refusedAt: number | null };

export class FrameProducer {
  readonly producerId = randomUUID();
  readonly #connection: LogConnection;
  readonly #limits: ProducerLimits;
  readonly #ranges = new Map<string, SessionRange>();
  readonly #change = new Wakeup();
  /** Unacknowledged frames, oldest first; the first `#sent` of them went into the open stream. */
  readonly #pending: Pending[] = [];
  #pendingBytes = 0;
  #sent = 0;
  #stream: LogStreamWriter | null = null;
  #state: State = { kind: 'streaming' };
  #finishing = false;
  #taken = 0;
  #stored = 0;
  #duplicates = 0;
  #takenLines = 0;
  #storedLines = 0;
  #lost = 0;
  #isDone = false;
  /** Frames ever handed to a stream, and when that number (or `#stored`) last grew: sending again is no progress. */
  #furthest = 0;
  #progressMs = performance.now();

  constructor(connection: LogConnection, limits: Partial<ProducerLimits> = {}) {
    this.#connection = connection;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    void this.#run().finally(() => {
      this.#isDone = true;
      this.#change.wake();
    });
  }

  get progress(): ProducerProgress {
    return {
      taken: this.#taken,
      stored: this.#stored,
      takenLines: this.#takenLines,
      storedLines: this.#storedLines,
      state: this.#state.kind,
      giveUpInMs: Math.max(0, this.#giveUpInMs()),
    };
  }

  /**
   * Takes a frame, waiting while the bound is reached. Frames without `seq` and `producerId` get this producer's mark.
   * @param place what the report names it by should it be refused; its position, from 0, unless told
   * @param lines how many lines begin in it: 0 for a further piece of a long one
   * @returns false when frames are given up: the frame is counted as unconfirmed and not kept
   */
  async write(frame: OutgoingFrame, place = this.#taken, lines = 1): Promise<boolean> {
    const producerSeq = ++this.#taken;
    this.#takenLines += lines;
    while (this.#pendingBytes >= this.#limits.pendingBytesMax && this.#giveUpInMs() > 0) {
      await this.#change.sleep(this.#giveUpInMs());
    }
    if (this.#state.kind === 'stopped' || this.#pendingBytes >= this.#limits.pendingBytesMax) {
      this.#lost++;
      return false;
    }
    const numbered = frame.producerId !== undefined || (frame.seq ?? 0) !== 0;
    if (this.#pending.length === 0) {
      this.#progressMs = performance.now();
    }
    const bytes = Buffer.byteLength(frame.content) + FRAME_OVERHEAD_BYTES;
    this.#pending.push({
      frame: numbered ? frame : { ...frame, producerId: this.producerId, producerSeq },
      place,
      lines,
      bytes,
    });
    this.#pendingBytes += bytes;
    this.#change.wake();
    return true;
  }

  /** Sends what is left, trying again until nothing has moved for `giveUpMs`. Nothing may be written afterwards. */
  async finish(): Promise<ProducerReport> {
    this.#finishing = true;
    this.#progressMs = performance.now();
    this.#change.wake();
    while (!this.#isDone && this.#state.kind !== 'stopped') {
      await this.#change.sleep();
    }
    return this.report();
  }

  /** How things stand now; what is still under way counts as unconfirmed. */
  report(): ProducerReport {
    const error = this.#state.kind === 'streaming' ? null : this.#state.error;
    const refusedAt = this.#state.kind === 'stopped' ? this.#state.refusedAt : null;
    const refused = refusedAt === null ? 0 : 1;
    const unconfirmed = this.#taken - this.#stored - refused;
    return {
      stored: this.#stored,
      storedLines: this.#storedLines,
      duplicates: this.#duplicates,
      unconfirmed,
      // The rest of a line whose beginning is stored is a line, too.
      unconfirmedLines: unconfirmed === 0 ? 0 : Math.max(this.#takenLines - this.#storedLines - refused, 1),
      ranges: [...this.#ranges.values()],
      error: error ?? (this.#lost > 0 ? this.#awayTooLong() : null),
      refusedAt,
    };
  }

  /** Ends at once; what was not acknowledged stays unconfirmed. */
  abandon(): void {
    const isAway = this.#state.kind === 'reconnecting';
    this.#stop(new WriteError('CANCELLED', isAway ? 'interrupted while the server was away' : 'interrupted'));
    this.#stream?.cancel();
  }

  async #run(): Promise<void> {
    let backoffMs = BACKOFF_FIRST_MS;
    for (;;) {
      while (this.#pending.length === 0 && !this.#finishing && this.#state.kind !== 'stopped') {
        await this.#change.sleep();
      }
      if (this.#state.kind === 'stopped' || this.#pending.length === 0) {
        return;
      }
      try {
        await this.#sendStream();
        backoffMs = BACKOFF_FIRST_MS;
      } catch (error) {
        this.#failed(toWriteError(error));
        await this.#backOff(backoffMs * (0.5 + Math.random() / 2));
        backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
      }
    }
  }

  /** One stream, from the oldest unacknowledged frame on, up to its response. */
  async #sendStream(): Promise<void> {
    this.#sent = 0;
    await this.#connection.ready(Math.min(BACKOFF_MAX_MS, this.#limits.giveUpMs));
    if (this.#state.kind === 'stopped') {
      return;
    }
    const stream = this.#connection.openStream({ timeoutMs: this.#limits.giveUpMs });
    this.#stream = stream;
    const openedMs = performance.now();
    let bytes = 0;
    while (this.#sent < this.#limits.streamFramesMax && bytes < this.#limits.streamBytesMax) {
      const next = this.#pending[this.#sent];
      if (next === undefined) {
        const leftMs = openedMs + this.#limits.streamAgeMs - performance.now();
        // When the bound is reached, whoever writes is waiting for the response.
        if (this.#finishing || leftMs <= 0 || this.#pendingBytes >= this.#limits.pendingBytesMax) {
          break;
        }
        await this.#change.sleep(leftMs);
        continue;
      }
      await stream.write(next.frame);
      this.#sent++;
      bytes += next.bytes;
      this.#moved();
    }
    this.#acknowledged(await stream.close());
  }

  #moved(): void {
    const handed = this.#stored + this.#sent;
    if (handed > this.#furthest) {
      this.#furthest = handed;
      this.#progressMs = performance.now();
    }
  }

  #acknowledged(response: WriteLogResponse): void {
    if (response.framesReceived !== this.#sent) {
      throw new WriteError(
        'SERVER_FAILED',
        `logweir at ${this.#connection.server} acknowledged ${response.framesReceived} of ${this.#sent} frames`,
      );
    }
    this.#release(this.#sent);
    this.#duplicates += response.duplicates;
    for (const range of response.sessions) {
      const known = this.#ranges.get(range.sessionId);
      this.#ranges.set(range.sessionId, known === undefined ? range : { ...known, lastSeq: range.lastSeq });
    }
    if (this.#state.kind === 'reconnecting') {
      this.#state = { kind: 'streaming' };
    }
  }

  #release(frames: number): void {
    for (const { bytes, lines } of this.#pending.splice(0, frames)) {
      this.#pendingBytes -= bytes;
      this.#storedLines += lines;
    }
    this.#stored += frames;
    this.#sent = 0;
    this.#progressMs = performance.now();
    this.#change.wake();
  }

  #failed(error: WriteError): void {
    if (this.#state.kind === 'stopped') {
      return;
    }
    if (error.canRetry) {
      this.#state = { kind: 'reconnecting', error };
      if (this.#finishing && this.#giveUpInMs() <= 0) {
        this.#stop(error);
      }
      return;
    }
    // Everything before the refused frame is stored; without its place, what the server counted as new is.
    const before = Math.min(error.frameIndex ?? error.framesWritten ?? 0, this.#sent);
    const refusedAt = error.frameIndex === null ? null : (this.#pending[before]?.place ?? null);
    this.#release(before);
    this.#stop(error, refusedAt);
  }

  #stop(error: WriteError, refusedAt: number | null = null): void {
    if (this.#state.kind !== 'stopped') {
      this.#state = { kind: 'stopped', error, refusedAt };
    }
    this.#change.wake();
  }

  #awayTooLong(): WriteError {
    const sentence = `logweir at ${this.#connection.server} was away for longer than frames could be kept`;
    return new WriteError('UNREACHABLE', sentence);
  }

  #giveUpInMs(): number {
    return this.#state.kind === 'stopped' ? 0 : this.#progressMs + this.#limits.giveUpMs - performance.now();
  }

  /** Frames that come in meanwhile must not make it shorter. */
  async #backOff(ms: number): Promise<void> {
    const untilMs = performance.now() + ms;
    while (this.#state.kind !== 'stopped' && performance.now() < untilMs) {
      await this.#change.sleep(untilMs - performance.now());
    }
  }
}

function toWriteError(error: unknown): WriteError {
  return error instanceof WriteError
    ? error
    : new WriteError('FRAME_REFUSED', `a frame cannot be sent: ${String(error)}`, { cause: error });
}
