/**
 * Events that nobody was told of yet: a small durable file each under `outbox/`.
 *
 * 1. A record is on disk, name and bytes, before add() resolves; its id and its timestamp never change after that.
 * 2. It is removed only after the announcer says that the event was announced; a crash in between announces it again,
 *    under the same id.
 * 3. Records of a session leave in order (record-queue.ts).
 * 4. Only names are in memory. A record that cannot be read as one goes to quarantine/ and holds up nobody.
 *
 * Who writes: add(). Who deletes: remove(). Nobody changes a record.
 */
import { join } from 'node:path';
import type { Clock } from '../segment/clock.js';
import { writeFileDurably } from '../segment/durable-file.js';
import type { Files } from '../segment/files.js';
import { type Layout, TEMPORARY_SUFFIX } from '../segment/layout.js';
import { Quarantine } from '../segment/quarantine.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import {
  type Announcement,
  compareRecords,
  encodeRecord,
  type OutboxEvent,
  parseRecord,
  parseRecordName,
  type RecordName,
  recordNameOf,
} from './outbox-record.js';
import { RecordQueue } from './record-queue.js';
import { errnoOf } from './sealing-error.js';

export interface OutboxOptions {
  readonly layout: Layout;
  readonly files: Files;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** `lstat` calls in flight while open() looks at what is there. */
const STATS_AT_ONCE = 32;

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #queue = new RecordQueue();
  /** Wall time by file name of the records on disk, oldest first. */
  readonly #recordedAtMs = new Map<string, number>();
  readonly #writes = new Map<string, Promise<void>>();
  #isOpen = false;
  #onReady: () => void = () => undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Finds what earlier runs left. To be called before add(). */
  async open(): Promise<void> {
    const { files, layout, logger } = this.#options;
    await files.makeDirectory(layout.outbox);
    await files.syncDirectory(layout.root);
    const found: RecordName[] = [];
    for (const fileName of await files.list(layout.outbox)) {
      const name = parseRecordName(fileName);
      if (name !== null) {
        found.push(name);
      } else if (fileName.endsWith(TEMPORARY_SUFFIX)) {
        await files.remove(join(layout.outbox, fileName));
      } else if (fileName.endsWith('.json')) {
        await this.#quarantine(fileName, 'its name is no event');
      } else {
        logger.warn({ file: fileName }, 'A file in the outbox is no record; it is left alone.');
      }
    }
    // The run that renamed a record into place may have ended before this; add() relies on what it finds.
    await files.syncDirectory(layout.outbox);
    for (const [name, recordedAtMs] of await this.#byAge(found)) {
      this.#recordedAtMs.set(name.fileName, recordedAtMs);
    }
    // In the order they leave, which makes each insertion cheap.
    for (const name of found.toSorted(compareRecords)) {
      const record = this.#queue.find(name) ?? this.#queue.insert(name, 'ready');
      record.state = record.state === 'awaited' ? 'held' : record.state;
    }
    this.#isOpen = true;
    this.#onReady();
  }

  /** Records on disk. */
  get depth(): number {
    return this.#recordedAtMs.size;
  }

  /** Age of the oldest record on disk, in seconds; 0 when there is none. */
  oldestSeconds(): number {
    for (const recordedAtMs of this.#recordedAtMs.values()) {
      return Math.max(0, (this.#options.clock.wallMs() - recordedAtMs) / 1000);
    }
    return 0;
  }

  /**
   * Keeps a place for the record of a segment that is being sealed: what comes after it in its session waits, and the
   * record itself, once added, until release().
   */
  hold(name: RecordName): void {
    const record = this.#queue.find(name) ?? this.#queue.insert(name, 'awaited');
    record.state = record.state === 'ready' ? 'held' : record.state;
  }

  /** The segment is done with: its record may go, or, when none was added, what comes after it. */
  release(name: RecordName): void {
    const record = this.#queue.find(name);
    if (record?.state === 'held') {
      record.state = 'ready';
    } else if (record?.state === 'awaited') {
      this.#queue.remove(record);
    }
    this.#onReady();
  }

  /**
   * Resolves when the event is durable. Adding one that is there already changes nothing.
   * @throws the error of the disk; nothing was recorded then.
   */
  async add(event: OutboxEvent): Promise<void> {
    if (!this.#isOpen) {
      throw new Error('Outbox.open() has not resolved yet');
    }
    const name = recordNameOf(event);
    const known = this.#queue.find(name);
    if (known?.state === 'held' || known?.state === 'ready') {
      return;
    }
    let write = this.#writes.get(name.fileName);
    if (write === undefined) {
      write = this.#write(name, event).finally(() => this.#writes.delete(name.fileName));
      this.#writes.set(name.fileName, write);
    }
    await write;
  }

  /** The one listener is called when records may have become ready. */
  onReady(listener: () => void): void {
    this.#onReady = listener;
  }

  /** Up to `max` records that may be announced now, in the order they must be. */
  ready(max: number): RecordName[] {
    return this.#isOpen ? this.#queue.ready(max) : [];
  }

  /** Null when it is gone or is no record (quarantine/ has it then): it is out of the way. */
  async read(name: RecordName): Promise<{ announcement: Announcement; bytes: number } | null> {
    const { files, layout } = this.#options;
    let content: Buffer;
    try {
      content = await files.readFile(join(layout.outbox, name.fileName));
    } catch (error) {
      const code = errnoOf(error);
      // Anything else (EMFILE, …) passes by itself.
      if (code !== 'ENOENT' && code !== 'EIO') {
        throw error;
      }
      await this.#putAside(name, code === 'EIO' ? 'it cannot be read' : 'it vanished', error);
      return null;
    }
    const announcement = parseRecord(content);
    if (announcement === null) {
      await this.#putAside(name, 'it is not an event');
      return null;
    }
    return { announcement, bytes: content.length };
  }

  /**
   * The event was announced. The directory is not synced: a record that comes back after a power cut is announced again
   * under its id, which costs its consumers nothing.
   */
  async remove(name: RecordName): Promise<void> {
    const { files, layout } = this.#options;
    await files.remove(join(layout.outbox, name.fileName));
    this.#forget(name);
  }

  async #write(name: RecordName, event: OutboxEvent): Promise<void> {
    const { files, layout, clock } = this.#options;
    const record = this.#queue.find(name) ?? this.#queue.insert(name, 'writing');
    const nowMs = clock.wallMs();
    try {
      await writeFileDurably(files, join(layout.outbox, name.fileName), encodeRecord(event, nowMs));
    } catch (error) {
      if (record.state === 'writing') {
        this.#queue.remove(record);
        this.#onReady();
      }
      throw error;
    }
    record.state = record.state === 'awaited' ? 'held' : 'ready';
    this.#recordedAtMs.set(name.fileName, nowMs);
    this.#onReady();
  }

  async #putAside(name: RecordName, why: string, err?: unknown): Promise<void> {
    await this.#quarantine(name.fileName, why, err);
    this.#forget(name);
  }

  #forget(name: RecordName): void {
    const record = this.#queue.find(name);
    if (record !== undefined) {
      this.#queue.remove(record);
    }
    this.#recordedAtMs.delete(name.fileName);
  }

  async #byAge(names: readonly RecordName[]): Promise<Array<[RecordName, number]>> {
    const { files, layout, clock } = this.#options;
    const dated: Array<[RecordName, number]> = [];
    for (let at = 0; at < names.length; at += STATS_AT_ONCE) {
      const stats = names.slice(at, at + STATS_AT_ONCE).map(async (name): Promise<[RecordName, number]> => {
        const stat = await files.stat(join(layout.outbox, name.fileName));
        return [name, stat?.modifiedAtMs ?? clock.wallMs()];
      });
      dated.push(...(await Promise.all(stats)));
    }
    return dated.toSorted(([, a], [, b]) => a - b);
  }

  async #quarantine(fileName: string, why: string, err?: unknown): Promise<void> {
    const { files, layout, logger, metrics } = this.#options;
    const path = join(layout.outbox, fileName);
    const stat = await files.stat(path);
    const quarantine = stat === null ? null : await new Quarantine(files, layout).keepFile(path);
    metrics.quarantinedBytes.inc(stat?.bytes ?? 0);
    logger.error({ file: fileName, quarantine, err }, `An outbox record is not announced: ${why}.`);
  }
}
