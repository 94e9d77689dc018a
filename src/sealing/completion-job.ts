/**
 * A completion on its way from sealing/ to sessions/, behind the segments that it completes:
 *
 *     outbox record → sessions/<session>/completion.json → unlink in sealing/
 *
 * *Ordering.* The record keeps its name under sealing/ until both others are durable: start-up, which looks only there, finds every
 * completion whose event may not stand in the outbox. Being a job of the session's lane, it comes behind the rotations of all
 * segments up to its `last_seq`, whose events are therefore in the outbox, or announced, before its own.
 *
 * *One content.* The event is made of the record, which never changes: however often it is announced, it says the same.
 */
import { dirname, join } from 'node:path';
import {
  CompletionDamaged,
  type CompletionRecord,
  completionPath,
  encodeCompletion,
  pendingCompletionPath,
  readCompletion,
} from '../segment/completion-record.js';
import { writeFileDurably } from '../segment/durable-file.js';
import { sessionName } from '../segment/layout.js';
import { makeSessionDirectory } from '../segment/session-directory.js';
import { type BackoffBounds, DISK_BACKOFF, type LaneJob } from './lane-job.js';
import { completionRecordName, type RecordName } from './outbox-record.js';
import type { SealContext } from './seal-steps.js';

export class CompletionJob implements LaneJob {
  readonly kind = 'completion';
  readonly record: CompletionRecord;
  readonly #context: SealContext;
  #step: 'record' | 'store' | 'drop pending file' = 'record';

  constructor(context: SealContext, record: CompletionRecord) {
    this.#context = context;
    this.record = record;
  }

  get recordName(): RecordName {
    return completionRecordName(this.record.session_id, this.record.last_seq);
  }

  get step(): string {
    return this.#step;
  }

  get about(): object {
    return { session: this.record.session_id, lastSeq: this.record.last_seq };
  }

  async advance(): Promise<boolean> {
    switch (this.#step) {
      case 'record':
        await this.#context.outbox?.add({ type: 'log_completion', completion: this.record });
        this.#step = 'store';
        return false;
      case 'store':
        await this.#store();
        this.#step = 'drop pending file';
        return false;
      case 'drop pending file':
        await this.#dropPendingFile();
        return true;
    }
  }

  failed(): BackoffBounds {
    return DISK_BACKOFF;
  }

  /** A later one that stands there already, after a power cut brought this one back, stays. */
  async #store(): Promise<void> {
    const { files, layout } = this.#context;
    const path = completionPath(layout, sessionName(this.record.session_id));
    await makeSessionDirectory(files, dirname(path));
    // Also when it was there: whoever made it may have died before this.
    await files.syncDirectory(layout.sessions);
    const stored = await this.#stored(path);
    if (stored === null || stored.last_seq < this.record.last_seq) {
      await writeFileDurably(files, path, encodeCompletion(this.record));
    } else {
      await files.syncDirectory(dirname(path));
    }
  }

  /** What is there and is no completion goes to quarantine/. */
  async #stored(path: string): Promise<CompletionRecord | null> {
    const { files, logger, histories, metrics } = this.#context;
    try {
      return await readCompletion(files, path, sessionName(this.record.session_id));
    } catch (error) {
      if (!(error instanceof CompletionDamaged)) {
        throw error;
      }
      const stat = await files.stat(path);
      const quarantine = await histories.quarantine.keepFile(path);
      metrics.quarantinedBytes.inc(stat?.bytes ?? 0);
      logger.error(
        { ...this.about, quarantine, err: error },
        'A completion record is damaged; a new one takes its place.',
      );
      return null;
    }
  }

  /** The directory is not synced: a record that comes back after a power cut is found to be stored and removed again. */
  async #dropPendingFile(): Promise<void> {
    const { files, layout } = this.#context;
    await files.remove(pendingCompletionPath(layout, this.record));
    await files.removeDirectoryIfEmpty(join(layout.sealing, sessionName(this.record.session_id)));
  }
}
