/**
 * Which sessions are completed, and the completing of them.
 *
 * *Rule.* A session is completed while none of its lines is above the last seq of its last record (completion-record.ts). Lines that
 * come afterwards open it again; completing it once more makes another record.
 *
 * *Ordering.* seal everything that was taken → the record, durably, under sealing/ → whoever is told. Calls for one session are
 * taken one after the other, so that two of them never decide about the same line. Frames that come meanwhile are not waited for:
 * they are above the record's last seq, in the next segment. Announcing is a job of the pipeline's (completion-job.ts), behind the
 * segments; the call does not wait for it.
 */
import { dirname } from 'node:path';
import type { Clock } from '../segment/clock.js';
import {
  COMPLETION_FORMAT_VERSION,
  type Completion,
  CompletionDamaged,
  type CompletionRecord,
  completionOf,
  completionPath,
  encodeCompletion,
  pendingCompletionPath,
  readCompletion,
} from '../segment/completion-record.js';
import { writeFileDurably } from '../segment/durable-file.js';
import type { Files } from '../segment/files.js';
import { type Layout, sessionName, TEMPORARY_SUFFIX } from '../segment/layout.js';
import { makeSessionDirectory } from '../segment/session-directory.js';
import { errnoOf } from './sealing-error.js';
import type { SealingPipeline } from './sealing-pipeline.js';
import { Turns } from './turns.js';

export interface CompletionsOptions {
  readonly files: Files;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly pipeline: SealingPipeline;
  /**
   * Has everything that was taken of a session lie under sealing/, accepted by the pipeline, and resolves to its last seq; 0 for a
   * session that nothing is known of.
   */
  readonly seal: (sessionId: string) => Promise<number>;
}

export type CompletionOutcome =
  /** Durably; `isNew` is false when it was the same before. */
  | { readonly kind: 'completed'; readonly completion: Completion; readonly isNew: boolean }
  /** Nothing is stored under that id. */
  | { readonly kind: 'unknown' }
  /** It was completed at this line in another way. */
  | { readonly kind: 'conflict'; readonly stored: Completion };

/**
 * Completes a session: all of its lines are sealed, and how it ended is durable, when it resolves.
 * @param signal when it is aborted before the session's turn, nothing is done
 * @throws StorageError: whether it is completed is not known; FormatTooNew; the signal's reason
 */
export interface CompleteSession {
  (sessionId: string, status: string, exitCode: number | null, signal?: AbortSignal): Promise<CompletionOutcome>;
}

const ATTEMPTS_MAX = 10;
const NEVER = new AbortController().signal;

export class Completions {
  readonly #options: CompletionsOptions;
  readonly #turns = new Turns();
  readonly #underWay = new Set<Promise<unknown>>();
  #onCompleted: (sessionId: string, completion: Completion) => void = () => undefined;

  constructor(options: CompletionsOptions) {
    this.#options = options;
  }

  /** The one listener hears of each completion once it is durable. */
  onCompleted(listener: (sessionId: string, completion: Completion) => void): void {
    this.#onCompleted = listener;
  }

  /**
   * What was told last of a session's end; null when nothing ever was. It goes on since then when it has lines above `lastSeq`.
   * @throws FormatTooNew, or the error of the disk
   */
  async of(sessionId: string): Promise<Completion | null> {
    const { files, layout, pipeline } = this.#options;
    const pending = pipeline.newestCompletion(sessionId);
    if (pending !== null) {
      return completionOf(pending);
    }
    const name = sessionName(sessionId);
    try {
      const stored = await readCompletion(files, completionPath(layout, name), name);
      return stored === null ? null : completionOf(stored);
    } catch (error) {
      // `verify` tells of it, and the next completion takes its place.
      if (error instanceof CompletionDamaged) {
        return null;
      }
      throw error;
    }
  }

  /**
   * Completes a session at the last line that was taken of it before its turn came. Told the same again, it changes nothing.
   * @param signal when it is aborted, and the turn has not come, nothing is done
   * @throws StorageError or the error of the disk: whether it is completed is not known, and the same may be tried again;
   *   FormatTooNew; the signal's reason
   */
  async complete(
    sessionId: string,
    status: string,
    exitCode: number | null,
    signal: AbortSignal = NEVER,
  ): Promise<CompletionOutcome> {
    const work = this.#turns.run(sessionId, signal, () => this.#complete(sessionId, status, exitCode));
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  /** Resolves when no call is under way. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) {
      await Promise.allSettled(this.#underWay);
    }
  }

  async #complete(sessionId: string, status: string, exitCode: number | null): Promise<CompletionOutcome> {
    const { clock, pipeline, seal } = this.#options;
    const lastSeq = await seal(sessionId);
    if (lastSeq === 0) {
      return { kind: 'unknown' };
    }
    const stored = await this.of(sessionId);
    if (stored !== null && stored.lastSeq >= lastSeq) {
      const isSame = stored.status === status && stored.exitCode === exitCode;
      return isSame ? { kind: 'completed', completion: stored, isNew: false } : { kind: 'conflict', stored };
    }
    const record: CompletionRecord = {
      session_id: sessionId,
      status,
      exit_code: exitCode,
      last_seq: lastSeq,
      completed_at: new Date(clock.wallMs()).toISOString(),
      format_version: COMPLETION_FORMAT_VERSION,
    };
    await this.#persist(record);
    pipeline.acceptCompletion(record);
    const completion = completionOf(record);
    this.#onCompleted(sessionId, completion);
    return { kind: 'completed', completion, isNew: true };
  }

  /** After a failure nothing of it is left, as far as the disk lets it: the call that is made again decides anew. */
  async #persist(record: CompletionRecord): Promise<void> {
    const { files, layout } = this.#options;
    const path = pendingCompletionPath(layout, record);
    try {
      await this.#write(path, record);
      // The directory's own name, too.
      await files.syncDirectory(layout.sealing);
    } catch (error) {
      for (const left of [path, path + TEMPORARY_SUFFIX]) {
        await files.remove(left).catch(() => undefined);
      }
      await files.removeDirectoryIfEmpty(dirname(path)).catch(() => undefined);
      throw error;
    }
  }

  async #write(path: string, record: CompletionRecord): Promise<void> {
    const { files } = this.#options;
    for (let attempt = 1; ; attempt++) {
      await makeSessionDirectory(files, dirname(path));
      try {
        await writeFileDurably(files, path, encodeCompletion(record));
        return;
      } catch (error) {
        // The pipeline removes a session's directory when it is empty, and may just have done so.
        if (errnoOf(error) !== 'ENOENT' || attempt === ATTEMPTS_MAX) {
          throw error;
        }
      }
    }
  }
}
