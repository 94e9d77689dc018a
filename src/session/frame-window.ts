import { frameSource } from '../frame/frame-source.js';
import type { FrameView } from '../frame/frame-view.js';
import { FrameHash } from './frame-hash.js';

/** Client-numbered frames remembered for each session: 8 KiB, held by a session that is not idle. */
export const WINDOW_FRAMES = 1024;

// One for all sessions: the key is the process's.
const hash = new FrameHash();

/**
 * The hashes of a session's last client-numbered frames, as they came: a frame that is sent again as it was is known without a look
 * at the files. What is not in here may be stored all the same.
 *
 * A frame's number is a part of its bytes, so the slot needs no number beside the hash.
 */
export class FrameWindow {
  readonly #hashes = new Int32Array(2 * WINDOW_FRAMES);

  /** Takes a frame that was just encoded: `frameSource` still holds it. */
  record(view: FrameView): void {
    hash.of(frameSource.view, view.start, view.end);
    const slot = slotOf(view.seq);
    this.#hashes[slot] = hash.low;
    this.#hashes[slot + 1] = hash.high;
  }

  has(view: FrameView): boolean {
    frameSource.load(view.bytes, view.start, view.end);
    hash.of(frameSource.view, view.start, view.end);
    const slot = slotOf(view.seq);
    return this.#hashes[slot] === hash.low && this.#hashes[slot + 1] === hash.high;
  }
}

/** `>>> 0` takes any seq modulo 2^32. */
function slotOf(seq: number): number {
  return 2 * ((seq >>> 0) & (WINDOW_FRAMES - 1));
}
