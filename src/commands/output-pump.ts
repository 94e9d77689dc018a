/**
 * From one of a command's pipes to pieces of text. Reading waits for `take`: when that is slow, the pipe fills and the
 * command blocks, so what is held here is one chunk and one piece.
 */
import type { Readable } from 'node:stream';
import { LineSplitter } from './line-splitter.js';

/** Longer lines are cut: far below the server's LOG_MAX_FRAME_BYTES, even if every byte becomes a U+FFFD. */
export const PIECE_BYTES_MAX = 64 * 1024;
const NEWLINE = 0x0a;
/** A prompt or a progress bar has no newline: it goes out when the command says nothing more for this long. */
const SILENCE_MS = 200;
/** And one that keeps growing without ever being silent is not kept from viewers for longer than this. */
const OPEN_LINE_MS = 1_000;

export interface PumpSinks {
  /** Every chunk as it comes, before its pieces. */
  readonly passThrough: (chunk: Buffer) => Promise<void>;
  /** A piece of output, when it was read in Unix milliseconds, and how many lines begin in it: 1, or 0 for what goes on. */
  readonly take: (content: string, readAtMs: number, lines: 0 | 1) => Promise<unknown>;
}

/** Reads to the end. Every byte that is valid UTF-8 comes out as it was; others come out as U+FFFD. */
export async function pumpOutput(output: Readable, sinks: PumpSinks): Promise<void> {
  const splitter = new LineSplitter(PIECE_BYTES_MAX);
  const chunks = output[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let readAtMs = Date.now();
  let lineOpenedAtMs = readAtMs;
  let lines: 0 | 1 = 1;
  const takeAll = async (pieces: Iterable<Buffer>) => {
    for (const piece of pieces) {
      await sinks.take(piece.toString(), readAtMs, lines);
      lines = piece.at(-1) === NEWLINE ? 1 : 0;
      lineOpenedAtMs = readAtMs;
    }
  };
  for (;;) {
    const next = chunks.next();
    if (splitter.heldBytes > 0 && !(await isSettledWithin(next, SILENCE_MS))) {
      await takeAll(splitter.flushCharacters());
    }
    const { done, value: chunk } = await next;
    if (done === true) {
      break;
    }
    readAtMs = Date.now();
    lineOpenedAtMs = splitter.heldBytes === 0 ? readAtMs : lineOpenedAtMs;
    await sinks.passThrough(chunk);
    await takeAll(splitter.push(chunk));
    if (readAtMs - lineOpenedAtMs >= OPEN_LINE_MS) {
      await takeAll(splitter.flushCharacters());
    }
  }
  await takeAll(splitter.flush());
}

async function isSettledWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<boolean>((resolve) => {
    // On a busy machine the time is up before waiting bytes were looked at; one more turn of the event loop reads them.
    timer = setTimeout(() => setImmediate(() => resolve(false)), ms);
  });
  try {
    return await Promise.race([work.then(() => true), silence]);
  } finally {
    clearTimeout(timer);
  }
}
