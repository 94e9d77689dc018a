/**
 * A few compression threads: started when there is work, ended when unused for a while, never keeping the process alive.
 *
 * A job is answered exactly once: by its thread's reply, by the thread's death, or by close(). A thread that died is
 * never used again; the next job gets a fresh one.
 *
 * *A thread that stands still* is ended, and its job answered when the thread is really gone: one that waits for a frozen
 * disk ends only when the disk answers, so that a freeze costs a job one failure, however long it lasts.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../segment/clock.js';
import type { Compressor } from './compressor.js';
import { messageOf, SealingError } from './sealing-error.js';
import type { CompressionReply, CompressionRequest, CompressionResult } from './worker-protocol.js';

const IDLE_MS = 10_000;
/** A piece is about 1 MiB, and the longest single step the fsync of a whole file. */
const STALLED_MS = 120_000;
/** Its pieces lie outside of the heap. A thread that passes this ends alone; without a limit the process would end with it. */
const HEAP = { maxOldGenerationSizeMb: 64 };

export interface CompressionPoolOptions {
  readonly threads: number;
  readonly clock: Clock;
  /** The thread's entry; tests bring one that dies. */
  readonly workerFile?: string;
}

interface Job {
  readonly request: CompressionRequest;
  readonly resolve: (result: CompressionResult) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  /** Goes up while the thread gets on: once when it takes a job up, then with each piece. */
  readonly progress: Int32Array;
  state:
    | { readonly kind: 'busy'; readonly job: Job; readonly takenUpAt: number; cancelWatch: () => void }
    /** Ended because it stood still; not gone yet. */
    | { readonly kind: 'ending'; readonly job: Job }
    | { readonly kind: 'idle'; readonly cancelEnd: () => void }
    | { readonly kind: 'ended' };
}

export class CompressionPool implements Compressor {
  readonly #threadsMax: number;
  readonly #clock: Clock;
  readonly #workerFile: string;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  readonly #endings = new Set<Promise<unknown>>();
  #isOpen = true;

  constructor(options: CompressionPoolOptions) {
    this.#threadsMax = Math.max(1, options.threads);
    this.#clock = options.clock;
    this.#workerFile = options.workerFile ?? workerFile();
  }

  run(request: CompressionRequest): Promise<CompressionResult> {
    return new Promise((resolve, reject) => {
      if (!this.#isOpen) {
        reject(new SealingError('closed', 'the compression pool is closed'));
        return;
      }
      this.#waiting.push({ request, resolve, reject });
      this.#dispatch();
    });
  }

  /** Ends all threads, in the middle of their work if need be. */
  async close(): Promise<void> {
    this.#isOpen = false;
    const closed = new SealingError('closed', 'the compression pool was closed');
    for (const job of this.#waiting.splice(0)) {
      job.reject(closed);
    }
    for (const thread of this.#threads) {
      this.#end(thread, closed);
    }
    await Promise.all(this.#endings);
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#idleThread() ?? this.#startThread();
      if (thread === null) {
        return;
      }
      const job = this.#waiting.shift();
      if (job === undefined) {
        return;
      }
      thread.state = { kind: 'busy', job, takenUpAt: progressOf(thread), cancelWatch: () => undefined };
      this.#watch(thread);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a rule for browser windows
      thread.worker.postMessage(job.request);
    }
  }

  #idleThread(): Thread | null {
    for (const thread of this.#threads) {
      if (thread.state.kind === 'idle') {
        thread.state.cancelEnd();
        return thread;
      }
    }
    return null;
  }

  #startThread(): Thread | null {
    if (this.#threads.size >= this.#threadsMax) {
      return null;
    }
    const progress = new Int32Array(new SharedArrayBuffer(4));
    let worker: Worker;
    try {
      // execArgv: the flags of a test runner are not for this thread.
      worker = new Worker(this.#workerFile, {
        execArgv: [],
        name: 'logweir-gzip',
        workerData: { progress },
        resourceLimits: HEAP,
      });
    } catch (cause) {
      // The machine has no thread left, say. Whoever waits tries again later.
      this.#waiting.shift()?.reject(notStarted(cause));
      return null;
    }
    worker.unref();
    const thread: Thread = { worker, progress, state: { kind: 'idle', cancelEnd: () => undefined } };
    worker.on('message', (reply: CompressionReply) => this.#answered(thread, reply));
    worker.on('error', (cause) => this.#end(thread, deathOf(thread, `failed: ${cause.message}`, cause)));
    worker.on('exit', (code) => this.#end(thread, deathOf(thread, `ended with code ${code}`)));
    this.#threads.add(thread);
    return thread;
  }

  /** Looks at a busy thread now and then, until its job is answered. */
  #watch(thread: Thread): void {
    const { state } = thread;
    if (state.kind !== 'busy') {
      return;
    }
    const before = progressOf(thread);
    state.cancelWatch = this.#clock.after(STALLED_MS, () => {
      if (progressOf(thread) === before) {
        this.#endStalled(thread);
      } else {
        this.#watch(thread);
      }
    });
  }

  #endStalled(thread: Thread): void {
    if (thread.state.kind === 'busy') {
      thread.state = { kind: 'ending', job: thread.state.job };
      // Answered by 'exit'.
      this.#terminate(thread);
    }
  }

  #answered(thread: Thread, reply: CompressionReply): void {
    if (thread.state.kind !== 'busy') {
      return;
    }
    const { job, cancelWatch } = thread.state;
    cancelWatch();
    const cancelEnd = this.#clock.after(IDLE_MS, () => this.#end(thread, new SealingError('closed', 'unused')));
    thread.state = { kind: 'idle', cancelEnd };
    settle(job, reply);
    this.#dispatch();
  }

  #end(thread: Thread, reason: SealingError): void {
    const { state } = thread;
    if (state.kind === 'ended') {
      return;
    }
    thread.state = { kind: 'ended' };
    this.#threads.delete(thread);
    this.#terminate(thread);
    switch (state.kind) {
      case 'idle':
        state.cancelEnd();
        break;
      case 'busy':
        state.cancelWatch();
        state.job.reject(reason);
        break;
      case 'ending':
        state.job.reject(reason);
    }
    this.#dispatch();
  }

  #terminate({ worker }: Thread): void {
    const ending = worker.terminate().finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
  }
}

function progressOf({ progress }: Thread): number {
  return Atomics.load(progress, 0);
}

/** Why its job failed: a thread that died before it took the job up says nothing about the segment. */
function deathOf(thread: Thread, how: string, cause?: unknown): SealingError {
  const { state } = thread;
  if (state.kind === 'ending') {
    return new SealingError('worker', `the compression thread stood still for ${STALLED_MS / 1000} s`);
  }
  if (state.kind === 'busy' && progressOf(thread) === state.takenUpAt) {
    return notStarted(cause ?? new Error(how));
  }
  return new SealingError('worker', `the compression thread ${how}`, { cause });
}

function notStarted(cause: unknown): SealingError {
  return new SealingError('not started', `no compression thread could be started: ${messageOf(cause)}`, { cause });
}

function settle(job: Job, reply: CompressionReply): void {
  switch (reply.kind) {
    case 'done':
      return job.resolve(reply.result);
    case 'unusable':
      return job.reject(new SealingError('unusable', reply.message));
    case 'failed':
      return job.reject(Object.assign(new Error(reply.message), { code: reply.code }));
    case 'thrown':
      return job.reject(new SealingError('worker', `the compression thread threw: ${reply.message}`));
  }
}

/** The compiled worker: beside this file in dist/; also when this file runs from src/ under vitest, since Node 20 cannot load TypeScript. */
function workerFile(): string {
  const here = import.meta.url;
  const file = fileURLToPath(
    new URL(here.endsWith('.ts') ? '../../dist/sealing/gzip-worker.js' : './gzip-worker.js', here),
  );
  if (!existsSync(file)) {
    throw new Error(`${file} is missing: npm run build makes it`);
  }
  return file;
}
