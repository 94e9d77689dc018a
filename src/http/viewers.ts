/**
 * Who is being sent lines, and how fast.
 *
 * Nothing queues behind a slow peer: `write` resolves when the socket has room again, so that of each viewer at most the chunk in its
 * socket is held. A peer that takes nothing at all for `stallMs` is cut off; it may come back with its cursor.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { lineCount } from '../reading/line-chunks.js';
import type { LogLines } from '../reading/log-events.js';
import type { Metrics, ViewerKind } from '../telemetry/metrics.js';

export class Viewers {
  readonly #metrics: Pick<Metrics, 'viewersOpen' | 'linesDelivered'>;
  readonly #stallMs: number;
  readonly #open = new Set<Viewer>();
  #isDraining = false;

  constructor(metrics: Pick<Metrics, 'viewersOpen' | 'linesDelivered'>, stallMs: number) {
    this.#metrics = metrics;
    this.#stallMs = stallMs;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** It is forgotten when `peer` closes; one that is gone already is not counted. @param socket that `peer` writes to, or `peer` itself */
  admit(kind: ViewerKind, peer: ServerResponse | Socket, socket: Socket): Viewer {
    const viewer = new Viewer(peer, socket, this.#metrics, this.#stallMs);
    if (peer.destroyed || peer.closed) {
      // It left while its session was looked up, and says so no more.
      viewer.leave();
      return viewer;
    }
    this.#open.add(viewer);
    this.#metrics.viewersOpen.inc({ kind });
    peer.once('close', () => {
      this.#open.delete(viewer);
      this.#metrics.viewersOpen.dec({ kind });
      viewer.leave();
    });
    if (this.#isDraining) {
      viewer.dismiss();
    }
    return viewer;
  }

  /** Ends what is being read for them; each is told so by its door. */
  drain(): void {
    this.#isDraining = true;
    for (const viewer of this.#open) {
      viewer.dismiss();
    }
  }
}

export class Viewer {
  readonly #peer: ServerResponse | Socket;
  readonly #socket: Socket;
  readonly #metrics: Pick<Metrics, 'linesDelivered'>;
  readonly #stallMs: number;
  readonly #reading = new AbortController();
  #state: 'here' | 'dismissed' | 'gone' = 'here';
  /** Writes that wait for the socket. */
  #waiting = 0;

  constructor(
    peer: ServerResponse | Socket,
    socket: Socket,
    metrics: Pick<Metrics, 'linesDelivered'>,
    stallMs: number,
  ) {
    this.#stallMs = stallMs;
    this.#peer = peer;
    this.#socket = socket;
    this.#metrics = metrics;
    // A viewer that has seen everything is quiet for hours; one that does not read is found in `write`.
    socket.setTimeout(0);
  }

  get state(): 'here' | 'dismissed' | 'gone' {
    return this.#state;
  }

  /** Aborted when nothing is to be read for it any more. */
  get signal(): AbortSignal {
    return this.#reading.signal;
  }

  /** Whether a write waits for its socket: then it is cut off if it takes nothing for `stallMs`. */
  get isBehind(): boolean {
    return this.#waiting > 0;
  }

  /** Resolves when there is room for more, or when there never will be. */
  async write(bytes: Buffer | string): Promise<void> {
    if (this.#state === 'gone' || this.#peer.write(bytes) || this.#state === 'dismissed') {
      return;
    }
    this.#waiting++;
    this.#socket.setTimeout(this.#stallMs);
    await this.#drained();
    this.#socket.setTimeout(0);
    this.#waiting--;
  }

  async writeLines(lines: LogLines, bytes: Buffer): Promise<void> {
    await this.write(bytes);
    this.#metrics.linesDelivered.inc(lines.as(lineCount));
  }

  /** Nothing more is written to it: what waits for its socket has so long to go. */
  ending(): void {
    this.#socket.setTimeout(this.#stallMs);
  }

  dismiss(): void {
    if (this.#state === 'here') {
      this.#state = 'dismissed';
      this.#reading.abort();
    }
  }

  leave(): void {
    this.#state = 'gone';
    this.#reading.abort();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const goOn = (): void => {
        this.#peer.off('drain', goOn);
        this.signal.removeEventListener('abort', goOn);
        resolve();
      };
      this.#peer.on('drain', goOn);
      this.signal.addEventListener('abort', goOn);
    });
  }
}
