/** What the process of the viewers is told and what it answers, typed once for both processes. */

/** How viewers watch: Server-Sent Events, or LogReader.StreamSessionLogs. */
export const DOORS = ['sse', 'grpc'] as const;
export type Door = (typeof DOORS)[number];

export type ViewerCommand =
  /** Opens viewers, in turn of each session behind that line; the last ones of them read nothing until they are woken. */
  | {
      readonly type: 'watch';
      readonly door: Door;
      readonly port: number;
      readonly afterSeqs: Readonly<Record<string, number>>;
      readonly viewers: number;
      readonly stalled: number;
    }
  /** Writes lines, acknowledged ones, so many a second; `timed` ones say when they were sent. */
  | {
      readonly type: 'write';
      readonly timed: boolean;
      readonly port: number;
      readonly sessionId: string;
      readonly frames: number;
      readonly framesPerSecond: number;
    }
  /** Waits until every viewer that does not stall has had every line of its session up to the last one. */
  | { readonly type: 'reach'; readonly lastSeqs: Readonly<Record<string, number>> }
  /** Wakes who stalls. */
  | { readonly type: 'wake' }
  /** Waits until every viewer has had every line of its session up to the last one, then closes them. */
  | { readonly type: 'finish'; readonly lastSeqs: Readonly<Record<string, number>> };

export type ViewerAnswer =
  | { readonly type: 'watching' }
  | { readonly type: 'written' }
  | { readonly type: 'reached' }
  | { readonly type: 'awake' }
  | {
      readonly type: 'finished';
      /** By all viewers together, each line once and in order. */
      readonly lines: number;
      /** Of viewers whose stream ended before it was finished, and who went on where they were. */
      readonly reconnects: number;
      /** From the sending of a line to a viewer, milliseconds; null when nothing was written here. */
      readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number } | null;
    }
  | { readonly type: 'failed'; readonly message: string };
