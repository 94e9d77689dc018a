/** What session/ knows of a segment when it lets go of it, and sealing/ takes up. */

export type SealReason = 'size' | 'age' | 'idle' | 'complete' | 'recovery';

/** What is in a segment: kept while it is written, rebuilt from its lines by recovery. */
export interface SegmentSummary {
  readonly sessionId: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly frames: number;
  /** The `time` of the first and last line, as they stand there. */
  readonly firstTime: string;
  readonly lastTime: string;
  readonly bytes: number;
  /** CRC-32 (IEEE, as gzip's) of all bytes, kept from the first one on: what the compressed file is verified against. */
  readonly crc32: number;
  /** Highest producer_seq by producer_id, including those carried forward from earlier segments. */
  readonly producers: ReadonlyMap<string, number>;
}

/** A segment under `sealing/`: complete, synced, never written again. */
export interface SealedSegment {
  readonly summary: SegmentSummary;
  /** Unix milliseconds, whole seconds; stands in its name. */
  readonly sealedAtMs: number;
  readonly reason: SealReason;
  /** Absolute path of the raw file. */
  readonly rawPath: string;
}
