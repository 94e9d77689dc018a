/**
 * A few compression threads: started when there is work, ended when unused for a while, never keeping the process alive.
 *
 * A job is answered exactly once: by its thread's reply, by the thread's death, or by close(). A thread that died is
 * never used again; the next job gets a fresh one.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../segment/clock.js';
import { SealingError } from './sealing-error.js';
import type { CompressionReply, CompressionRequest, CompressionResult } from './worker-protocol.js';

const IDLE_MS = 10_000;

interface Job {
  readonly request: CompressionRequest;
  readonly resolve: (result: CompressionResult) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  state:
    | { readonly kind: 'busy'; readonly job: Job }
    | { readonly kind: 'idle'; readonly cancelEnd: () => void }
    | { readonly kind: 'ended' };
}

export class CompressionPool {
  readonly #threadsMax: number;
  readonly #clock: Clock;
  readonly #workerFile = workerFile();
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  readonly #endings = new Set<Promise<unknown>>();
  #isOpen = true;

  constructor(options: { threads: number; clock: Clock }) {
    this.#threadsMax = Math.max(1, options.threads);
    this.#clock = options.clock;
  }

  /** @throws SealingError `unusable`, `worker` or `closed`, or an error with the errno `code` of a failed system call. */
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
      // The loop's condition says there is one.
      const job = this.#waiting.shift()!;
      thread.state = { kind: 'busy', job };
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
    // execArgv: the flags of a test runner are not for this thread.
    const worker = new Worker(this.#workerFile, { execArgv: [], name: 'logweir-gzip' });
    worker.unref();
    const thread: Thread = { worker, state: { kind: 'idle', cancelEnd: () => undefined } };
    worker.on('message', (reply: CompressionReply) => this.#answered(thread, reply));
    worker.on('error', (cause) => {
      this.#end(thread, new SealingError('worker', `the compression thread failed: ${cause.message}`, { cause }));
    });
    worker.on('exit', (code) => {
      this.#end(thread, new SealingError('worker', `the compression thread ended with code ${code}`));
    });
    this.#threads.add(thread);
    return thread;
  }

  #answered(thread: Thread, reply: CompressionReply): void {
    if (thread.state.kind !== 'busy') {
      return;
    }
    const { job } = thread.state;
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
    const ending = thread.worker.terminate().finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
    if (state.kind === 'busy') {
      state.job.reject(reason);
    } else {
      state.cancelEnd();
    }
    this.#dispatch();
  }
}

function settle(job: Job, reply: CompressionReply): void {
  switch (reply.kind) {
    case 'done':
      return job.resolve(reply.result);
    case 'unusable':
      return job.reject(new SealingError('unusable', reply.message));
    case 'failed':
      return job.reject(Object.assign(new Error(reply.message), { code: reply.code }));
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
