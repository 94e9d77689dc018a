/** A manifest held against its segment and their names: decisions over values, without a disk. */
import { posix } from 'node:path';
import { GZIP_SUFFIX, RAW_SUFFIX, type SegmentName, segmentName, sessionName } from '../../segment/layout.js';
import { type GzipMember, type Manifest, manifestId } from '../../segment/manifest.js';
import type { Content } from './content.js';
import type { IntegrityFinding } from './finding.js';

type Value = string | number | null;
type Field = keyof Manifest;

/** Where the two files stand: `sessions/<name>/<segment>…`. */
export interface SegmentPlace {
  /** The session's name on disk. */
  readonly name: string;
  readonly segment: SegmentName;
  /** Relative to LOG_DIR. */
  readonly manifestFile: string;
}

/** What the manifest says of itself and of the names, whatever the segment holds. */
export function manifestAgainstNames(manifest: Manifest, place: SegmentPlace): IntegrityFinding[] {
  const { name, segment } = place;
  const check = new FieldCheck(place.manifestFile, "its name's");
  check.field('session_id', sessionName(manifest.session_id), name, "its directory's");
  check.field('first_seq', manifest.first_seq, segment.firstSeq);
  check.field('last_seq', manifest.last_seq, segment.lastSeq);
  check.field('sealed_at', manifest.sealed_at, new Date(segment.sealedAtMs).toISOString().replace('.000Z', 'Z'));
  const suffix = manifest.compression === 'gzip' ? GZIP_SUFFIX : RAW_SUFFIX;
  check.field('path', manifest.path, posix.join('sessions', name, segmentName(segment) + suffix));
  const { session_id, first_seq, last_seq } = manifest;
  check.field('id', manifest.id, manifestId(session_id, first_seq, last_seq), "its other fields'");
  return check.findings;
}

/**
 * What the manifest says of the segment. A segment with another content than was sealed is told by `content` findings of its
 * own file, and not field by field.
 */
export function manifestAgainstContent(
  manifest: Manifest,
  content: Content,
  place: SegmentPlace & { readonly dataFile: string; readonly dataBytes: number },
): IntegrityFinding[] {
  const check = new FieldCheck(place.manifestFile, "the segment's");
  if (content.end.kind === 'too much') {
    return [contentFinding(place.dataFile, 'bytes', manifest.bytes, `more than ${manifest.bytes}`)];
  }
  if (content.sha256 !== manifest.sha256) {
    return contentFindings(manifest, content, place);
  }
  const { summary } = content;
  check.field('bytes', manifest.bytes, content.bytes);
  check.field('compressed_bytes', manifest.compressed_bytes, place.dataBytes);
  if (summary !== null && content.end.kind === 'whole') {
    check.field('session_id', manifest.session_id, summary.sessionId);
    check.field('first_seq', manifest.first_seq, summary.firstSeq);
    check.field('last_seq', manifest.last_seq, summary.lastSeq);
    check.field('frames', manifest.frames, summary.frames);
    check.field('gaps', manifest.gaps, summary.lastSeq - summary.firstSeq + 1 - summary.frames);
    check.field('first_time', manifest.first_time, summary.firstTime);
    check.field('last_time', manifest.last_time, summary.lastTime);
    for (const [producer, seq] of summary.producers) {
      // One that is not there was forgotten: a session keeps the marks of a limited number of producers.
      if ((manifest.producers[producer] ?? seq) < seq) {
        check.field('producers', `${producer}: ${manifest.producers[producer]}`, `${producer}: ${seq}`);
      }
    }
  }
  checkMembers(check, manifest.members, content.members);
  return check.findings;
}

/** The marks that no line of this segment and none before it explains: frames that come under such numbers would be dropped. */
export function unexplainedMarks(
  manifest: Manifest,
  content: Content,
  before: Readonly<Record<string, number>>,
  manifestFile: string,
): IntegrityFinding[] {
  const check = new FieldCheck(manifestFile, 'the greatest that was stored,');
  const own = content.summary?.producers ?? new Map<string, number>();
  const carried = new Map(Object.entries(before));
  for (const [producer, seq] of Object.entries(manifest.producers)) {
    const explained = Math.max(own.get(producer) ?? 0, carried.get(producer) ?? 0);
    if (seq > explained) {
      check.field('producers', `${producer}: ${seq}`, `${producer}: ${explained}`);
    }
  }
  return check.findings;
}

function contentFindings(
  manifest: Manifest,
  content: Content,
  { dataFile, dataBytes }: { readonly dataFile: string; readonly dataBytes: number },
): IntegrityFinding[] {
  const differing: IntegrityFinding[] = [];
  const compare = (field: Field, expected: Value, found: Value): void => {
    if (found !== null && found !== expected) {
      differing.push(contentFinding(dataFile, field, expected, found));
    }
  };
  compare('compressed_bytes', manifest.compressed_bytes, dataBytes);
  // Where the content could not be read to its end, that is told by a finding of its own.
  compare('sha256', manifest.sha256, content.sha256);
  if (content.sha256 !== null) {
    compare('bytes', manifest.bytes, content.bytes);
    compare('first_seq', manifest.first_seq, content.summary?.firstSeq ?? 0);
    compare('last_seq', manifest.last_seq, content.summary?.lastSeq ?? 0);
  }
  return differing;
}

function contentFinding(file: string, field: Field, expected: Value, found: Value): IntegrityFinding {
  const message = `is not what was sealed: ${field} is ${found}, the manifest says ${expected}`;
  return { file, problem: 'content', field, message, expected, found };
}

function checkMembers(check: FieldCheck, said: readonly GzipMember[], found: readonly GzipMember[]): void {
  if (said.length !== found.length) {
    check.field('members', `${said.length} members`, `${found.length} members`);
    return;
  }
  for (const [index, member] of found.entries()) {
    for (const key of ['first_seq', 'raw_offset', 'compressed_offset'] as const) {
      if (said[index]?.[key] !== member[key]) {
        const where = `members[${index}].${key}`;
        check.field('members', `${where} = ${said[index]?.[key]}`, `${where} = ${member[key]}`);
        return;
      }
    }
  }
}

class FieldCheck {
  readonly findings: IntegrityFinding[] = [];
  readonly #file: string;
  readonly #whose: string;

  /** @param whose to complete "…, … is <value>" */
  constructor(file: string, whose: string) {
    this.#file = file;
    this.#whose = whose;
  }

  /** @param right what the field has to say */
  field(field: Field, said: Value, right: Value, whose = this.#whose): void {
    if (said !== right) {
      const message = `says ${field} ${JSON.stringify(said)}; ${whose} is ${JSON.stringify(right)}`;
      this.findings.push({ file: this.#file, problem: 'manifest_field', field, message, expected: right, found: said });
    }
  }
}
