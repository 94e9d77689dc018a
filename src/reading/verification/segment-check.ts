/** One sealed segment, wherever it stands, at one moment. */
import type { Files } from '../../segment/files.js';
import type { SegmentName } from '../../segment/layout.js';
import type { Manifest } from '../../segment/manifest.js';
import { readManifest } from '../../segment/manifest-store.js';
import { isAbsent } from '../reading-error.js';
import type { Link } from './chain.js';
import { type Content, readContent } from './content.js';
import type { CompletenessFinding, IntegrityFinding } from './finding.js';
import { manifestAgainstContent, manifestAgainstNames } from './manifest-check.js';
import { type PlacedFile, placedFiles, type SegmentPlaces } from './segment-places.js';

export interface Watch {
  readonly signal: AbortSignal;
  /** Told how many more bytes were read. */
  readonly onRead: (bytes: number) => void;
}

export interface SegmentVerdict {
  readonly integrity: readonly IntegrityFinding[];
  readonly completeness: readonly CompletenessFinding[];
  readonly link: Link;
  /** Null when it could not be read. */
  readonly manifest: Manifest | null;
  readonly content: Content | null;
}

export class SegmentCheck {
  readonly #files: Files;
  /** The session's name on disk. */
  readonly #name: string;
  readonly #segment: SegmentName;
  readonly #watch: Watch;
  readonly #integrity: IntegrityFinding[] = [];
  readonly #completeness: CompletenessFinding[] = [];

  constructor(files: Files, name: string, segment: SegmentName, watch: Watch) {
    this.#files = files;
    this.#name = name;
    this.#segment = segment;
    this.#watch = watch;
  }

  /**
   * Null when there is no file of that segment (any more).
   * @throws ENOENT when a file has moved on, and the signal's reason
   */
  async verdict(places: SegmentPlaces): Promise<SegmentVerdict | null> {
    const { raw, manifest } = places;
    const strange = placedFiles(places).filter(({ stat }) => !stat.isFile);
    for (const { file } of strange) {
      this.#damaged(file, 'not_a_file', 'is no regular file');
    }
    const data = places.gzip ?? places.plain;
    const [named = data ?? manifest ?? raw] = strange;
    if (named === null) {
      return null;
    }
    if (strange.length > 0) {
      return this.#verdict(named, null, null);
    }
    if (raw !== null && (manifest === null || data === null)) {
      return this.#verdict(raw, null, await this.#rawContent(raw));
    }
    return this.#finished(places, named);
  }

  async #finished(places: SegmentPlaces, named: PlacedFile): Promise<SegmentVerdict> {
    const manifest = places.manifest === null ? null : await this.#manifest(places.manifest);
    const data = manifest?.compression === 'none' ? (places.plain ?? places.gzip) : (places.gzip ?? places.plain);
    if (places.gzip !== null && places.plain !== null) {
      this.#incomplete(places.plain, 'overlap', `is there beside ${places.gzip.file}`);
    }
    if (data === null) {
      this.#incomplete(named, 'data_missing', `has no segment beside it: ${this.#range} is missing`);
      return this.#verdict(named, manifest, null);
    }
    if (places.manifest === null) {
      this.#incomplete(data, 'manifest_missing', 'has no manifest beside it');
    }
    const content = await this.#content(data, data === places.gzip, manifest?.bytes ?? null);
    if (content !== null && manifest !== null && places.manifest !== null) {
      const place = {
        name: this.#name,
        segment: this.#segment,
        manifestFile: places.manifest.file,
        dataFile: data.file,
        dataBytes: data.stat.bytes,
      };
      this.#integrity.push(...manifestAgainstNames(manifest, place));
      this.#integrity.push(...manifestAgainstContent(manifest, content, place));
    } else if (content !== null) {
      this.#checkName(data, content);
    }
    return this.#verdict(data, manifest, content);
  }

  async #rawContent(raw: PlacedFile): Promise<Content | null> {
    const content = await this.#content(raw, false, null);
    if (content !== null) {
      this.#checkName(raw, content);
    }
    return content;
  }

  async #content(placed: PlacedFile, isGzip: boolean, bytesMax: number | null): Promise<Content | null> {
    return this.#orUnreadable(placed, async () => {
      const file = await this.#files.open(placed.path, 'read');
      try {
        const content = await readContent(file, { ...this.#watch, isGzip, name: this.#name, bytesMax });
        this.#checkEnd(placed, content);
        return content;
      } finally {
        await file.close();
      }
    });
  }

  async #manifest(placed: PlacedFile): Promise<Manifest | null> {
    try {
      return await this.#orUnreadable(placed, () => readManifest(this.#files, placed.path));
    } catch (error) {
      if (isAbsent(error) || !(error instanceof Error)) {
        throw error;
      }
      // Its sentence begins with the path, which the finding has already.
      this.#damaged(
        placed.file,
        'manifest_invalid',
        `is no manifest: ${error.message.replace(`${placed.path}: `, '')}`,
      );
      return null;
    }
  }

  /** @throws ENOENT, and what is no error of the disk */
  async #orUnreadable<T>(placed: PlacedFile, read: () => Promise<T>): Promise<T | null> {
    try {
      return await read();
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (code === undefined || syscall === undefined || isAbsent(error)) {
        throw error;
      }
      this.#damaged(placed.file, 'unreadable', `cannot be read: ${code}`);
      return null;
    }
  }

  #checkEnd({ file }: PlacedFile, { end, summary, bytes }: Content): void {
    const behind =
      summary === null ? 'from its first byte on' : `behind seq ${summary.lastSeq}, at byte ${summary.bytes}`;
    if (end.kind === 'gzip') {
      this.#damaged(file, 'gzip', end.message);
    } else if (end.kind === 'NUL bytes' || end.kind === 'invalid line') {
      const what =
        end.kind === 'NUL bytes' ? 'holds NUL bytes' : 'holds a line that is not one of this session in order';
      this.#damaged(file, 'line', `${what} ${behind}`);
    } else if (end.kind === 'unfinished') {
      this.#damaged(file, 'line', `ends in the middle of a line, ${behind}`);
    } else if (bytes === 0) {
      this.#damaged(file, 'line', 'holds nothing');
    }
  }

  /** Where there is no manifest to say it. */
  #checkName({ file }: PlacedFile, { end, summary }: Content): void {
    if (end.kind !== 'whole' || summary === null) {
      return;
    }
    const { firstSeq, lastSeq } = this.#segment;
    if (summary.firstSeq !== firstSeq || summary.lastSeq !== lastSeq) {
      const [expected, found] = [`${firstSeq}-${lastSeq}`, `${summary.firstSeq}-${summary.lastSeq}`];
      const message = `holds seq ${found}, its name says ${expected}`;
      this.#integrity.push({ file, problem: 'name', field: null, message, expected, found });
    }
  }

  get #range(): string {
    return `seq ${this.#segment.firstSeq} to ${this.#segment.lastSeq}`;
  }

  #verdict({ file }: PlacedFile, manifest: Manifest | null, content: Content | null): SegmentVerdict {
    const { firstSeq, lastSeq } = this.#segment;
    const sha256 = [manifest?.sha256, content?.sha256].filter((one) => typeof one === 'string');
    const link = { file, firstSeq, lastSeq, sha256, prevSha256: manifest?.prev_sha256 };
    return { integrity: this.#integrity, completeness: this.#completeness, link, manifest, content };
  }

  #damaged(file: string, problem: IntegrityFinding['problem'], message: string): void {
    this.#integrity.push({ file, problem, field: null, message, expected: null, found: null });
  }

  #incomplete({ file }: PlacedFile, problem: CompletenessFinding['problem'], message: string): void {
    this.#completeness.push({ file, problem, field: null, message, expected: null, found: null });
  }
}
