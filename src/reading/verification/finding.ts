/** What verification finds: values, for people in `message` and for programs in the other fields. */

/** The bytes of a file are not what they were, or do not say what they must. */
export type IntegrityProblem =
  /** Something else than a file has the name: a link, a directory, a pipe. */
  | 'not_a_file'
  /** The system refused to open or to read it. */
  | 'unreadable'
  /** The manifest is not one, or says what cannot be. */
  | 'manifest_invalid'
  /** What says how the session ended is not a record of that. */
  | 'completion_invalid'
  /** A field of the manifest does not agree with the segment or its name. */
  | 'manifest_field'
  /** The content is not the one that was sealed. */
  | 'content'
  /** The gzip file cannot be inflated, or its CRC is wrong. */
  | 'gzip'
  /** A line is not one of this session, or not in order. */
  | 'line'
  /** The lines are not those that the file's name tells. */
  | 'name';

/** Something is missing, or there twice. */
export type CompletenessProblem =
  | 'manifest_missing'
  | 'data_missing'
  /** A manifest does not continue the segment before it. */
  | 'chain'
  /** Two segments hold the same numbers. */
  | 'overlap';

export interface Finding<P extends IntegrityProblem | CompletenessProblem> {
  /** Relative to LOG_DIR, with `/`. */
  readonly file: string;
  readonly problem: P;
  /** The manifest's field that it is about; null when it is about none. */
  readonly field: string | null;
  /** What is wrong, to be read behind the file's name. */
  readonly message: string;
  readonly expected: string | number | null;
  readonly found: string | number | null;
}

export type IntegrityFinding = Finding<IntegrityProblem>;
export type CompletenessFinding = Finding<CompletenessProblem>;

/** Figures of what was looked at. */
export interface Totals {
  /** The active one included. */
  segments: number;
  frames: number;
  /** Of the NDJSON. */
  bytes: number;
  /** Read from the disk, manifests not counted. */
  storedBytes: number;
  /** Numbers within segments that no frame carries. */
  gaps: number;
  /** Numbers between segments that no segment holds. */
  gapsBetween: number;
  /** Of lines at the end of active files that are not finished: being written, or torn by a crash. */
  unfinishedBytes: number;
}

export function noTotals(): Totals {
  return { segments: 0, frames: 0, bytes: 0, storedBytes: 0, gaps: 0, gapsBetween: 0, unfinishedBytes: 0 };
}

export interface SessionVerdict {
  readonly sessionId: string;
  readonly totals: Totals;
  readonly integrity: readonly IntegrityFinding[];
  readonly completeness: readonly CompletenessFinding[];
  /** Files in the session's directories that logweir did not make, relative to LOG_DIR. */
  readonly foreign: readonly string[];
}
