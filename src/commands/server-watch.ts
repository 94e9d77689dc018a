/**
 * What `run` and `send` do about a server that goes away: they say so, once each time, and a user who has asked them to end
 * is not kept waiting for it.
 */
import type { FrameProducer } from '../client/frame-producer.js';
import type { CommandIo } from './command-io.js';
import { humanCount, humanLines } from './human-units.js';

const LOOK_MS = 100;

export class ServerWatch {
  readonly #producer: FrameProducer;
  readonly #io: CommandIo;
  readonly #isSpoken: boolean;
  readonly #timer: NodeJS.Timeout;
  readonly #onSignal = () => this.#look();
  #seen: 'streaming' | 'reconnecting' | 'stopped' = 'streaming';
  #mayStop = false;
  /** What was said last: a full disk is mended elsewhere than a server that is gone. */
  #isRefusing = false;

  /** @param isSpoken false where a status line says the same */
  constructor(producer: FrameProducer, io: CommandIo, isSpoken: boolean) {
    this.#producer = producer;
    this.#io = io;
    this.#isSpoken = isSpoken;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    io.signal.addEventListener('abort', this.#onSignal);
  }

  /**
   * From now on nothing more is made, so that a signal means: do not wait for a server that is away.
   * @param signalsBefore whether one that has come already means that, too
   */
  stopWhenAway(signalsBefore: boolean): void {
    this.#mayStop = signalsBefore || !this.#io.signal.aborted;
    this.#look();
  }

  end(): void {
    this.#look();
    clearInterval(this.#timer);
    this.#io.signal.removeEventListener('abort', this.#onSignal);
  }

  #look(): void {
    const { state, isRefusing, takenLines, storedLines } = this.#producer.progress;
    if (this.#mayStop && this.#io.signal.aborted && state === 'reconnecting') {
      this.#producer.abandon();
      return;
    }
    if (state !== this.#seen && this.#isSpoken) {
      const waiting = takenLines - storedLines;
      if (state === 'reconnecting') {
        this.#isRefusing = isRefusing;
        const what = isRefusing ? 'cannot store more now' : 'is away';
        this.#io.stderr.write(`logweir: the server ${what}, ${humanCount(waiting)} waiting\n`);
      } else if (state === 'streaming') {
        const what = this.#isRefusing ? 'stores again' : 'is back';
        this.#io.stderr.write(`logweir: the server ${what}, ${humanLines(storedLines)} stored\n`);
      }
    }
    this.#seen = state;
  }
}
