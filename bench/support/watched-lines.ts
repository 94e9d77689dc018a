/** What the writer of a session pays because somebody watches it, in this process alone: all else that viewers cost comes with their bytes. */
import { LiveHub, type Watch } from '../../src/reading/live-hub.js';
import type { LogLines } from '../../src/reading/log-events.js';

const SESSION = 'watched';
const LINES_PER_WRITE = 256;
const LINE_BYTES = 250;
const WARMUP_LINES = 50_000;

export interface WatchedJob {
  /** Of the one session; `stalled` of them never look. */
  readonly viewers: number;
  readonly stalled: number;
  readonly lines: number;
}

/** @returns seconds a line, of LiveHub.written with writes of 64 KB */
export async function watchedLineSeconds(job: WatchedJob): Promise<number> {
  await told({ ...job, lines: Math.min(WARMUP_LINES, job.lines) });
  return told(job);
}

async function told({ viewers, stalled, lines }: WatchedJob): Promise<number> {
  const hub = new LiveHub();
  const watches = Array.from({ length: viewers }, () => hub.watch(SESSION));
  const taking = watches.slice(stalled).map((watch) => takeAll(watch, lines));
  let seconds = 0;
  for (let seq = 1; seq <= lines; seq += LINES_PER_WRITE) {
    const bytes = written(seq, Math.min(lines, seq + LINES_PER_WRITE - 1));
    const begun = performance.now();
    hub.written(SESSION, bytes, 0, bytes.length);
    seconds += (performance.now() - begun) / 1000;
    // The viewers' turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(taking);
  for (const watch of watches) {
    watch[Symbol.dispose]();
  }
  return seconds / lines;
}

/** @throws when a line is not held any more, so that the price of all is counted */
async function takeAll(watch: Watch, lastSeq: number): Promise<void> {
  for (let seq = 0; seq < lastSeq; ) {
    const lines = watch.take(seq);
    if (lines === 'behind') {
      throw new Error(`line ${seq + 1} is not held any more`);
    }
    if (lines === null) {
      await watch.changed();
    } else {
      lines.as(encoded);
      seq = lines.lastSeq;
    }
  }
}

/** As much memory as what a door makes of lines. */
function encoded({ bytes }: LogLines): Buffer {
  return Buffer.from(bytes);
}

function written(firstSeq: number, lastSeq: number): Buffer {
  let text = '';
  for (let seq = firstSeq; seq <= lastSeq; seq++) {
    const head = `{"seq":${seq},"time":"2026-11-21T10:00:00Z","session_id":"${SESSION}","content":"`;
    text += `${head}${'.'.repeat(LINE_BYTES - head.length - 3)}"}\n`;
  }
  return Buffer.from(text);
}
