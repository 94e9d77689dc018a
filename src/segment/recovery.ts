import { basename, dirname, join } from 'node:path';
import type { CompletionRecord } from './completion-record.js';
import { recoverCompletions } from './completion-recovery.js';
import type { FileStat, Files } from './files.js';
import { ACTIVE_SUFFIX, type Layout, parseSegmentName, RAW_SUFFIX, type SegmentName, segmentName } from './layout.js';
import { mergedMarks } from './producer-marks.js';
import { Quarantine } from './quarantine.js';
import { planRecovery } from './recovery-plan.js';
import type { SealedSegment, SegmentSummary } from './sealed-segment.js';
import { type SegmentScan, scanSegment } from './segment-scan.js';
import { type RepairReport, SessionHistories, type StoredHistory } from './session-history.js';
import { writeFully } from './write-fully.js';

export interface RecoveredActive {
  readonly summary: SegmentSummary;
  /** Unix milliseconds, as the file system has them. */
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
}

export interface Recovered {
  readonly active: readonly RecoveredActive[];
  /** In seq order within a session; their steps have to be done again. */
  readonly sealed: readonly SealedSegment[];
  /** Durable, and not known to stand in the outbox. */
  readonly completions: readonly CompletionRecord[];
}

const FILES_AT_ONCE = 16;
const WRITE_BACK_BYTES = 1 << 20;

/**
 * Brings LOG_DIR back to where writing can go on, after any crash.
 *
 * *What it looks at*: `active/` and `sealing/` only, so its cost follows what was in flight, not what is stored.
 * *What it promises*: it never deletes a byte that it can't explain (those go to quarantine/, durably, before they are cut
 * off), and running it again, or after it was interrupted anywhere, changes nothing more.
 */
export class Recovery {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #quarantine: Quarantine;
  readonly #histories: SessionHistories;
  readonly #report: RepairReport;
  /** Last seq and producers of each session's sealed segments that are still under sealing/. */
  readonly #sealedBefore = new Map<string, SegmentSummary>();

  constructor(files: Files, layout: Layout, report: RepairReport) {
    this.#files = files;
    this.#layout = layout;
    this.#quarantine = new Quarantine(files, layout);
    this.#histories = new SessionHistories({ files, layout, quarantine: this.#quarantine, report });
    this.#report = report;
  }

  async run(): Promise<Recovered> {
    const sealed: SealedSegment[] = [];
    const completions: CompletionRecord[] = [];
    await eachOf(await this.#files.list(this.#layout.sealing), async (name) => {
      const directory = join(this.#layout.sealing, name);
      const stat = await this.#files.stat(directory);
      if (stat?.isDirectory === true) {
        const segments = await this.#sealedSegments(name, directory);
        const records = await this.#completions(name, directory);
        if (segments.length + records.length > 0) {
          await this.#files.syncDirectory(directory);
        }
        await this.#files.removeDirectoryIfEmpty(directory);
        sealed.push(...segments);
        completions.push(...records);
      }
    });
    await this.#syncMoves();
    const active: RecoveredActive[] = [];
    const names = await this.#files.list(this.#layout.active);
    await eachOf(names, async (name) => {
      const recovered = name.endsWith(ACTIVE_SUFFIX) ? await this.#activeSegment(name) : null;
      if (recovered !== null) {
        active.push(recovered);
      }
    });
    // Names, too, that a killed process had not synced.
    await this.#files.syncDirectory(this.#layout.active);
    return { active, sealed, completions };
  }

  /**
   * What a killed process had moved out of active/ may have no other durable name yet; syncing active/ before this would leave it
   * none at all after a power cut.
   */
  async #syncMoves(): Promise<void> {
    await this.#files.syncDirectory(this.#layout.sealing);
    await this.#files.syncDirectory(this.#layout.quarantine);
  }

  async #completions(name: string, directory: string): Promise<CompletionRecord[]> {
    const parts = { files: this.#files, quarantine: this.#quarantine, report: this.#report };
    return recoverCompletions(directory, name, await this.#files.list(directory), parts);
  }

  async #sealedSegments(sessionName: string, directory: string): Promise<SealedSegment[]> {
    const names = (await this.#files.list(directory)).filter((name) => name.endsWith(RAW_SUFFIX)).toSorted();
    const sealed: SealedSegment[] = [];
    let producers: ReadonlyMap<string, number> = new Map();
    for (const name of names) {
      const parsed = parseSegmentName(name);
      const path = join(directory, name);
      const found = parsed === null ? null : await this.#regularFile(path);
      const segment = parsed === null || found === null ? null : await this.#sealedSegment(path, sessionName, parsed);
      if (segment !== null) {
        const { sessionId, firstSeq } = segment.summary;
        const lastSeq = this.#sealedBefore.get(sessionName)?.lastSeq ?? 0;
        const finished = await this.#histories.finishedAfter(sessionId, lastSeq, firstSeq);
        producers = mergedMarks(producers, new Map(Object.entries(finished?.producers ?? {})));
        const summary: SegmentSummary = {
          ...segment.summary,
          producers: mergedMarks(producers, segment.summary.producers),
        };
        producers = summary.producers;
        sealed.push({ ...segment, summary });
        this.#sealedBefore.set(sessionName, summary);
      }
    }
    return sealed;
  }

  async #sealedSegment(path: string, sessionName: string, named: SegmentName): Promise<SealedSegment | null> {
    const scan = await this.#scan(path, sessionName);
    const usable = await this.#apply(path, scan, 0);
    if (usable === null) {
      return null;
    }
    const { sealedAtMs } = named;
    const rightName = segmentName({ firstSeq: usable.firstSeq, lastSeq: usable.lastSeq, sealedAtMs }) + RAW_SUFFIX;
    const rawPath = join(dirname(path), rightName);
    if (rawPath !== path) {
      // Its end was cut off: the name must say what is in it.
      await this.#files.rename(path, rawPath);
      await this.#files.syncDirectory(dirname(path));
    }
    return { summary: usable, sealedAtMs, reason: 'recovery', rawPath };
  }

  async #activeSegment(fileName: string): Promise<RecoveredActive | null> {
    const path = join(this.#layout.active, fileName);
    const sessionName = fileName.slice(0, -ACTIVE_SUFFIX.length);
    const stat = await this.#regularFile(path);
    if (stat === null) {
      return null;
    }
    const scan = await this.#scan(path, sessionName);
    const before = scan.summary === null ? null : await this.#historyBefore(sessionName, scan.summary.sessionId);
    const usable = await this.#apply(path, scan, before?.lastSeq ?? 0);
    if (usable === null) {
      return null;
    }
    await this.#writeBack(path, usable.bytes);
    const summary = { ...usable, producers: mergedMarks(before?.producers ?? new Map(), usable.producers) };
    return { summary, createdAtMs: stat.createdAtMs, modifiedAtMs: stat.modifiedAtMs };
  }

  #historyBefore(name: string, sessionId: string): Promise<StoredHistory> {
    return this.#histories.stored(sessionId, this.#sealedBefore.get(name) ?? null);
  }

  /** Whatever else has a segment's name was not made here: it is left alone. */
  async #regularFile(path: string): Promise<FileStat | null> {
    const stat = await this.#files.stat(path);
    if (stat !== null && !stat.isFile) {
      this.#report({ file: basename(path), action: 'ignored', reason: 'no regular file', bytes: 0 });
      return null;
    }
    return stat;
  }

  async #scan(path: string, sessionName: string): Promise<SegmentScan> {
    const file = await this.#files.open(path, 'read');
    try {
      return await scanSegment(file, sessionName);
    } finally {
      await file.close();
    }
  }

  /** Does what the plan says. Returns what may be used, null when nothing is left. */
  async #apply(path: string, scan: SegmentScan, sealedLastSeq: number): Promise<SegmentSummary | null> {
    const step = planRecovery(scan, sealedLastSeq);
    switch (step.kind) {
      case 'keep':
        return scan.summary;
      case 'remove':
        await this.#files.remove(path);
        await this.#files.syncDirectory(dirname(path));
        return null;
      case 'quarantine': {
        const file = await this.#quarantine.keepFile(path);
        this.#report({ file, action: 'quarantined', reason: step.reason, bytes: scan.totalBytes });
        return null;
      }
      case 'cut': {
        const file = await this.#quarantine.keepTail(path, step.offset);
        await this.#truncate(path, step.offset);
        this.#report({ file, action: 'cut', reason: step.reason, bytes: scan.totalBytes - step.offset });
        return scan.summary;
      }
    }
  }

  /**
   * What a killed process left in the page cache alone will be acknowledged when it is repeated. It is written again, over
   * itself: after a failed fdatasync the kernel holds its pages clean, and the next one would say OK for nothing.
   */
  async #writeBack(path: string, length: number): Promise<void> {
    const file = await this.#files.open(path, 'readwrite');
    try {
      const chunk = Buffer.allocUnsafeSlow(Math.min(WRITE_BACK_BYTES, length));
      for (let position = 0; position < length; ) {
        const read = await file.read(chunk, 0, Math.min(chunk.length, length - position), position);
        if (read === 0) {
          throw new Error(`${basename(path)} became shorter while it was recovered`);
        }
        await writeFully(file, chunk, 0, read, position);
        position += read;
      }
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  async #truncate(path: string, length: number): Promise<void> {
    const file = await this.#files.open(path, 'readwrite');
    try {
      await file.truncate(length);
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}

async function eachOf(names: readonly string[], run: (name: string) => Promise<void>): Promise<void> {
  const queue = names.values();
  const worker = async (): Promise<void> => {
    for (const name of queue) {
      await run(name);
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, worker));
}
