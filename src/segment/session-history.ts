import { join } from 'node:path';
import type { Files } from './files.js';
import { FormatTooNew } from './format-too-new.js';
import {
  GZIP_SUFFIX,
  type Layout,
  MANIFEST_SUFFIX,
  parseSegmentName,
  RAW_SUFFIX,
  type SegmentName,
  segmentName,
  sessionDirectory,
} from './layout.js';
import { type Manifest, manifestFits } from './manifest.js';
import { rebuildManifest } from './manifest-repair.js';
import { parseManifest, writeManifest } from './manifest-store.js';
import { mergedMarks } from './producer-marks.js';
import type { Quarantine } from './quarantine.js';
import { listSessionDirectory } from './session-directory.js';

/** Where a session stands that has nothing under active/ or sealing/. */
export interface StoredHistory {
  /** 0 for a session that nothing is known of. */
  readonly lastSeq: number;
  readonly producers: ReadonlyMap<string, number>;
}

/** Called when a file was moved to quarantine/ or written again, by its name; `bytes` are those that were moved. */
export interface RepairReport {
  (event: { file: string; action: string; reason: string; bytes: number }): void;
}

export interface SessionHistoriesOptions {
  readonly files: Files;
  readonly layout: Layout;
  readonly quarantine: Quarantine;
  readonly report: RepairReport;
}

/** The files of one finished segment. */
interface FinishedFiles {
  readonly name: SegmentName;
  readonly hasManifest: boolean;
  readonly compression: 'gzip' | 'none' | null;
}

/**
 * Where sessions stand, as the disk says.
 *
 * *A number is never given out twice*: a session goes on above the newest segment that sessions/, or a name in quarantine/,
 * tells of, whatever became of its content.
 * *No hand is needed* (docs/decisions/0006): the newest manifest, when it is damaged or gone, is made again from its
 * segment; where that is damaged too, both go to quarantine/, and the session goes on above its last seq. Only the holder of
 * the directory's lock may ask, and not for a session whose segments are being sealed.
 */
export class SessionHistories {
  readonly quarantine: Quarantine;
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #report: RepairReport;

  constructor({ files, layout, quarantine, report }: SessionHistoriesOptions) {
    this.quarantine = quarantine;
    this.#files = files;
    this.#layout = layout;
    this.#report = report;
  }

  /**
   * @param sealing the session's newest segment that has no manifest yet, if there is one
   * @throws FormatTooNew, or the error of the disk
   */
  async stored(sessionId: string, sealing: StoredHistory | null): Promise<StoredHistory> {
    const newest =
      sealing === null ? await this.#finished(sessionId) : await this.#sealingOrFinished(sessionId, sealing);
    const lastQuarantined = await this.quarantine.lastSeq(sessionId);
    return { lastSeq: Math.max(newest.lastSeq, lastQuarantined), producers: newest.producers };
  }

  /**
   * The manifest of the session's newest finished segment, or with `beforeSeq` of the newest one that ends before it;
   * null when there is none. Costs one directory listing and one read.
   * @throws FormatTooNew, or the error of the disk
   */
  async newestManifest(sessionId: string, beforeSeq: number = Number.POSITIVE_INFINITY): Promise<Manifest | null> {
    for (;;) {
      const newest = await this.#newestFiles(sessionId, beforeSeq);
      if (newest === null) {
        return null;
      }
      const manifest = await this.#readSound(sessionId, newest);
      const usable = manifest ?? (await this.#repair(sessionId, newest));
      if (usable !== null) {
        return usable;
      }
      // Its files are in quarantine: now another one is the newest.
    }
  }

  /**
   * The manifest of the newest finished segment between `afterSeq`, the last seq of a raw file under sealing/, and
   * `beforeSeq`; null when there is none. Raw files are removed without a sync: a power cut may bring one back and not those
   * after it, so the newest raw file need not be the newest segment.
   * @throws FormatTooNew, or the error of the disk
   */
  async finishedAfter(
    sessionId: string,
    afterSeq: number,
    beforeSeq: number = Number.POSITIVE_INFINITY,
  ): Promise<Manifest | null> {
    const newest = await this.#newestFiles(sessionId, beforeSeq);
    return newest === null || newest.name.lastSeq <= afterSeq ? null : this.newestManifest(sessionId, beforeSeq);
  }

  async #sealingOrFinished(sessionId: string, sealing: StoredHistory): Promise<StoredHistory> {
    const later = await this.finishedAfter(sessionId, sealing.lastSeq);
    if (later === null) {
      return sealing;
    }
    const producers = mergedMarks(sealing.producers, new Map(Object.entries(later.producers)));
    return { lastSeq: Math.max(sealing.lastSeq, later.last_seq), producers };
  }

  async #finished(sessionId: string): Promise<StoredHistory> {
    const manifest = await this.newestManifest(sessionId);
    return { lastSeq: manifest?.last_seq ?? 0, producers: new Map(Object.entries(manifest?.producers ?? {})) };
  }

  async #newestFiles(sessionId: string, beforeSeq: number): Promise<FinishedFiles | null> {
    const fileNames = new Set(await listSessionDirectory(this.#files, sessionDirectory(this.#layout, sessionId)));
    let newest: FinishedFiles | null = null;
    for (const fileName of fileNames) {
      const name = parseSegmentName(fileName);
      if (name === null || name.lastSeq >= beforeSeq || name.lastSeq < (newest?.name.lastSeq ?? 1)) {
        continue;
      }
      const found = finishedFiles(name, fileNames);
      const isNewer = name.lastSeq > (newest?.name.lastSeq ?? 0);
      if (found !== null && (isNewer || (found.hasManifest && newest?.hasManifest === false))) {
        newest = found;
      }
    }
    return newest;
  }

  /** Null when it is absent or damaged. */
  async #readSound(sessionId: string, { name, hasManifest }: FinishedFiles): Promise<Manifest | null> {
    if (!hasManifest) {
      return null;
    }
    try {
      const manifest = parseManifest(await this.#files.readFile(this.#path(sessionId, name, MANIFEST_SUFFIX)));
      return manifestFits(manifest, sessionId, name) ? manifest : null;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // A sector that cannot be read is damage; anything else of the disk (EMFILE, …) passes.
      if (error instanceof FormatTooNew || (code !== undefined && code !== 'EIO')) {
        throw error;
      }
      return null;
    }
  }

  /** Null when nothing could be made of it: its files are in quarantine then. Interrupted anywhere, it can be run again. */
  async #repair(sessionId: string, { name, hasManifest, compression }: FinishedFiles): Promise<Manifest | null> {
    const previous = await this.newestManifest(sessionId, name.lastSeq);
    const overlaps = (previous?.last_seq ?? 0) >= name.firstSeq;
    const suffix = compression === 'gzip' ? GZIP_SUFFIX : RAW_SUFFIX;
    const segmentPath = this.#path(sessionId, name, suffix);
    const rebuilt =
      compression === null || overlaps
        ? null
        : await rebuildManifest(this.#files, segmentPath, compression, sessionId, name, previous);
    const manifestPath = this.#path(sessionId, name, MANIFEST_SUFFIX);
    if (hasManifest) {
      await this.#putAside(manifestPath, 'the manifest is damaged');
    }
    if (rebuilt !== null) {
      await writeManifest(this.#files, manifestPath, rebuilt);
      const reason = `the manifest was ${hasManifest ? 'damaged' : 'missing'}; it was made again from its segment`;
      this.#report({ file: segmentName(name) + MANIFEST_SUFFIX, action: 'rewritten', reason, bytes: 0 });
    } else if (compression !== null) {
      const why = overlaps ? 'it overlaps the segment before it' : 'it is damaged';
      await this.#putAside(segmentPath, `the segment has no usable manifest, and ${why}`);
    }
    return rebuilt;
  }

  async #putAside(path: string, reason: string): Promise<void> {
    const stat = await this.#files.stat(path);
    const file = await this.quarantine.keepFile(path);
    this.#report({ file, action: 'quarantined', reason, bytes: stat?.bytes ?? 0 });
  }

  #path(sessionId: string, name: SegmentName, suffix: string): string {
    return join(sessionDirectory(this.#layout, sessionId), segmentName(name) + suffix);
  }
}

function finishedFiles(name: SegmentName, fileNames: ReadonlySet<string>): FinishedFiles | null {
  const segment = segmentName(name);
  const hasManifest = fileNames.has(segment + MANIFEST_SUFFIX);
  const plain = fileNames.has(segment + RAW_SUFFIX) ? 'none' : null;
  const compression = fileNames.has(segment + GZIP_SUFFIX) ? 'gzip' : plain;
  return hasManifest || compression !== null ? { name, hasManifest, compression } : null;
}
