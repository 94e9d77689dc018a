/**
 * One session, while a server may be writing, sealing and finishing it, or not.
 *
 * What is checked: every line that was there when the check began. Sealed segments are checked first, then the active file,
 * then what was sealed between the first listing and the opening of the active file. What came later is left for another
 * time, so that the check ends however fast the session rotates; and what it judges was there before the last listing began,
 * so that a missing link is missing and not just unseen.
 *
 * Never a false alarm: what seems damaged counts only when nothing of it was moved or changed while it was looked at.
 */
import { join, posix } from 'node:path';
import type { Files } from '../../segment/files.js';
import { ACTIVE_SUFFIX, type Layout, type SegmentName, sessionIdOfName } from '../../segment/layout.js';
import { Quarantine } from '../../segment/quarantine.js';
import type { SegmentSummary } from '../../segment/sealed-segment.js';
import { isAbsent } from '../reading-error.js';
import { chainFindings, type Link, numbersBetween } from './chain.js';
import { type CompletionVerdict, checkCompletions, missingBefore } from './completion-check.js';
import { type Content, readContent } from './content.js';
import {
  type CompletenessFinding,
  type IntegrityFinding,
  noTotals,
  type SessionVerdict,
  type Totals,
} from './finding.js';
import { unexplainedMarks } from './manifest-check.js';
import { SegmentCheck, type SegmentVerdict, type Watch } from './segment-check.js';
import { areSamePlaces, listSegments, segmentPlaces } from './segment-places.js';

/** How often a segment is looked at again because it was moved or changed meanwhile. */
const LOOKS_MAX = 20;
/** A session with more producers than this may have forgotten marks and met them again. */
const MARKS_COMPARED_MAX = 512;

type ActiveFile =
  /** Nothing has the name. */
  | { readonly kind: 'absent' }
  /** Not a line in it that could be vouched for. */
  | { readonly kind: 'no lines' }
  | { readonly kind: 'lines'; readonly summary: SegmentSummary };

export class SessionCheck {
  readonly #files: Files;
  readonly #layout: Layout;
  /** The session's name on disk. */
  readonly #name: string;
  readonly #watch: Watch;
  readonly #totals: Totals = noTotals();
  readonly #integrity: IntegrityFinding[] = [];
  readonly #completeness: CompletenessFinding[] = [];
  readonly #links = new Map<string, Link>();
  /** Of the segment that was checked last. */
  #before: { readonly sha256: string; readonly producers: Readonly<Record<string, number>> } | null = null;
  #sessionId: string | null;

  constructor(files: Files, layout: Layout, name: string, watch: Watch) {
    this.#files = files;
    this.#layout = layout;
    this.#name = name;
    this.#watch = watch;
    this.#sessionId = sessionIdOfName(name);
  }

  /** Null when nothing of that session is there. @throws the signal's reason */
  async run(): Promise<SessionVerdict | null> {
    const completions = await checkCompletions(this.#files, this.#layout, this.#name);
    this.#integrity.push(...completions.integrity);
    const listing = await listSegments(this.#files, this.#layout, this.#name);
    for (const file of listing.strange) {
      this.#damaged(file, 'not_a_file', 'is no directory: what it may lead to is not checked');
    }
    await this.#checkAll(listing.segments);
    const active = await this.#checkActive(listing.segments);
    await this.#checkSealedMeanwhile(active);
    const isNothing = active.kind === 'absent' && this.#links.size === 0 && listing.foreign.length === 0;
    if (isNothing && listing.strange.length === 0 && !completions.isAny) {
      return null;
    }
    this.#judgeChain(active);
    await this.#judgeCompletions(completions, active);
    return {
      sessionId: this.#sessionId ?? this.#name,
      totals: this.#totals,
      integrity: this.#integrity,
      completeness: this.#completeness,
      foreign: listing.foreign,
    };
  }

  async #checkAll(segments: ReadonlyMap<string, SegmentName>): Promise<void> {
    for (const [stem, segment] of segments) {
      const verdict = await this.#settledVerdict(segment);
      if (verdict !== null) {
        this.#count(stem, verdict);
      }
    }
  }

  async #checkSealedMeanwhile(active: ActiveFile): Promise<void> {
    let horizon = active.kind === 'lines' ? active.summary.firstSeq : null;
    for (;;) {
      const { segments } = await listSegments(this.#files, this.#layout, this.#name);
      horizon ??= lastSeqOf(segments) + 1;
      const before = horizon;
      const unseen = [...segments].filter(([stem, { firstSeq }]) => firstSeq < before && !this.#links.has(stem));
      const known = this.#links.size;
      await this.#checkAll(new Map(unseen));
      if (this.#links.size === known) {
        return;
      }
    }
  }

  /** Null when it is gone: to quarantine, or under another name that a recovery gave it. */
  async #settledVerdict(segment: SegmentName): Promise<SegmentVerdict | null> {
    for (let look = 1; ; look++) {
      const places = await segmentPlaces(this.#files, this.#layout, this.#name, segment);
      try {
        const verdict = await new SegmentCheck(this.#files, this.#name, segment, this.#watch).verdict(places);
        const isGood = verdict?.integrity.length === 0 && verdict.completeness.length === 0;
        if (isGood || look === LOOKS_MAX) {
          return verdict;
        }
        const now = await segmentPlaces(this.#files, this.#layout, this.#name, segment);
        if (areSamePlaces(places, now)) {
          return verdict;
        }
      } catch (error) {
        if (!isAbsent(error) || look === LOOKS_MAX) {
          throw error;
        }
      }
    }
  }

  #count(stem: string, { integrity, completeness, link, manifest, content }: SegmentVerdict): void {
    this.#integrity.push(...integrity);
    this.#completeness.push(...completeness);
    this.#links.set(stem, link);
    this.#sessionId ??= content?.summary?.sessionId ?? manifest?.session_id ?? null;
    this.#countContent(content);
    const before = manifest?.prev_sha256 === null ? { sha256: null, producers: {} } : this.#before;
    if (manifest !== null && content !== null && content.sha256 === manifest.sha256) {
      const isLinked = before !== null && before.sha256 === manifest.prev_sha256;
      if (isLinked && Object.keys(before.producers).length < MARKS_COMPARED_MAX) {
        const file = link.file.replace(/\.log(\.gz)?$/, '.json');
        this.#integrity.push(...unexplainedMarks(manifest, content, before.producers, file));
      }
    }
    this.#before = manifest === null ? null : { sha256: manifest.sha256, producers: manifest.producers };
  }

  #countContent(content: Content | null): void {
    this.#totals.segments += content?.bytes === 0 ? 0 : 1;
    this.#totals.bytes += content?.bytes ?? 0;
    this.#totals.storedBytes += content?.storedBytes ?? 0;
    const summary = content?.summary ?? null;
    if (summary !== null) {
      this.#totals.frames += summary.frames;
      this.#totals.gaps += summary.lastSeq - summary.firstSeq + 1 - summary.frames;
    }
  }

  /** @param sealedBefore what was listed before: the active file's lines come behind all of it */
  async #checkActive(sealedBefore: ReadonlyMap<string, SegmentName>): Promise<ActiveFile> {
    const file = posix.join('active', this.#name + ACTIVE_SUFFIX);
    const path = join(this.#layout.active, this.#name + ACTIVE_SUFFIX);
    const stat = await this.#files.stat(path);
    if (stat === null) {
      return { kind: 'absent' };
    }
    if (!stat.isFile) {
      this.#damaged(file, 'not_a_file', 'is no regular file');
      return { kind: 'no lines' };
    }
    const content = await this.#activeContent(file, path);
    if (content === null) {
      return { kind: 'absent' };
    }
    this.#countContent(content);
    this.#totals.unfinishedBytes += content.end.kind === 'unfinished' ? content.end.bytes : 0;
    const { summary } = content;
    if (summary === null) {
      return { kind: 'no lines' };
    }
    this.#sessionId ??= summary.sessionId;
    const lastSealed = lastSeqOf(sealedBefore);
    if (summary.firstSeq <= lastSealed) {
      const message = `begins with seq ${summary.firstSeq}, but the session is sealed up to ${lastSealed}`;
      this.#completeness.push({
        ...{ file, problem: 'overlap', field: null, message },
        ...{ expected: lastSealed + 1, found: summary.firstSeq },
      });
    }
    return { kind: 'lines', summary };
  }

  /** Null when it has gone. What is damaged is read twice: the writer may have cut off what a full disk had left half-written. */
  async #activeContent(file: string, path: string): Promise<Content | null> {
    let earlier: string | null = null;
    for (;;) {
      try {
        const content = await this.#readActive(path);
        const { kind } = content.end;
        const damage = kind === 'whole' || kind === 'unfinished' ? null : `${kind} ${content.summary?.bytes ?? 0}`;
        if (damage !== null && damage === earlier) {
          const what = kind === 'NUL bytes' ? 'NUL bytes' : 'a line that is not one of this session in order';
          const seq = content.summary?.lastSeq ?? 0;
          const message = `holds ${what} at byte ${content.summary?.bytes ?? 0}, behind seq ${seq}; the next start of the server moves what begins there to quarantine/`;
          this.#damaged(file, 'line', message);
        }
        if (damage === null || damage === earlier) {
          return content;
        }
        earlier = damage;
      } catch (error) {
        if (isAbsent(error)) {
          return null;
        }
        const { code, syscall } = error as NodeJS.ErrnoException;
        if (code === undefined || syscall === undefined) {
          throw error;
        }
        this.#damaged(file, 'unreadable', `cannot be read: ${code}`);
        return null;
      }
    }
  }

  async #readActive(path: string): Promise<Content> {
    const file = await this.#files.open(path, 'read');
    try {
      return await readContent(file, { ...this.#watch, isGzip: false, name: this.#name, bytesMax: null });
    } finally {
      await file.close();
    }
  }

  #damaged(file: string, problem: IntegrityFinding['problem'], message: string): void {
    this.#integrity.push({ file, problem, field: null, message, expected: null, found: null });
  }

  /** A segment that was given up is told of by its name in quarantine/. */
  async #judgeCompletions(completions: CompletionVerdict, active: ActiveFile): Promise<void> {
    let lastSeq = active.kind === 'lines' ? active.summary.lastSeq : 0;
    for (const link of this.#links.values()) {
      lastSeq = Math.max(lastSeq, link.lastSeq);
    }
    if (missingBefore(completions, lastSeq).length > 0 && this.#sessionId !== null) {
      const quarantine = new Quarantine(this.#files, this.#layout);
      lastSeq = Math.max(lastSeq, await quarantine.lastSeq(this.#sessionId));
    }
    this.#completeness.push(...missingBefore(completions, lastSeq));
  }

  #judgeChain(active: ActiveFile): void {
    const links = [...this.#links.values()].toSorted((a, b) => a.firstSeq - b.firstSeq || a.lastSeq - b.lastSeq);
    this.#completeness.push(...chainFindings(links));
    const seqs = active.kind === 'lines' ? [...links, linkOfActive(active.summary)] : links;
    this.#totals.gapsBetween = numbersBetween(seqs);
  }
}

function lastSeqOf(segments: ReadonlyMap<string, SegmentName>): number {
  let last = 0;
  for (const { lastSeq } of segments.values()) {
    last = Math.max(last, lastSeq);
  }
  return last;
}

function linkOfActive({ firstSeq, lastSeq }: SegmentSummary): Link {
  return { file: '', firstSeq, lastSeq, sha256: [], prevSha256: undefined };
}
