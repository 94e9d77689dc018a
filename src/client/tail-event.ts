/** What whoever reads a session over gRPC is given, in order. */
export type TailEvent =
  /** NDJSON as it is stored, byte for byte: whole lines, at least one. */
  | { readonly kind: 'lines'; readonly lastSeq: number; readonly bytes: Buffer }
  /** What was stored under these numbers is gone. Both included. */
  | { readonly kind: 'gap'; readonly firstSeq: number; readonly lastSeq: number }
  /** The last event. `status`: what CompleteSession was told; else `active` or `idle`. */
  | { readonly kind: 'end'; readonly status: string; readonly exitCode: number | null; readonly lastSeq: number };

/** Whether that is what CompleteSession was told: the server itself says `active` or `idle`, and no exit code. */
export function isCompleted({ status, exitCode }: Pick<SessionState, 'status' | 'exitCode'>): boolean {
  return exitCode !== null || (status !== 'active' && status !== 'idle');
}

/** As LogFilter: lines that pass all of what is set; within one list any of them. */
export interface TailFilter {
  /** Of metadata.level, case-insensitively. */
  readonly levels?: readonly string[];
  readonly roles?: readonly string[];
  readonly userIds?: readonly string[];
  /** In the content, case-insensitively. */
  readonly keywords?: readonly string[];
  /** Not before it. */
  readonly startTime?: { readonly seconds: number; readonly nanos: number } | null;
  /** Before it. */
  readonly endTime?: { readonly seconds: number; readonly nanos: number } | null;
  /** A regular expression (RE2) that matches somewhere in the content. */
  readonly pattern?: string;
}

export interface TailRequest {
  readonly sessionId: string;
  /** Only lines above it. */
  readonly afterSeq?: number;
  /** Begin with the last so many lines (before the filter), 0: with none; takes precedence over `afterSeq`. */
  readonly tail?: number;
  /** Go on with what is written, until the session is completed. */
  readonly follow?: boolean;
  readonly filter?: TailFilter;
}

/** How far a session has come, as SessionInfo tells it. */
export interface SessionState {
  readonly sessionId: string;
  /** What CompleteSession was told; else `active` or `idle`. */
  readonly status: string;
  readonly exitCode: number | null;
  /** 0 when no line can be read. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** RFC 3339, as in the last line; empty when no line can be read. */
  readonly lastTime: string;
  readonly segments: number;
  /** On the disk. */
  readonly storedBytes: number;
}
