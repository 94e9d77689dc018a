/** Why a frame can never be stored. It names a field of LogFrame and a reason that fits into a sentence. */
export interface FrameProblem {
  /** A field of LogFrame (`session_id`, `seq`, `time`, `metadata`, …) or `frame` when the whole of it is at fault. */
  readonly field: string;
  /** Lower-case clause without a full stop, e.g. `is empty`. Never holds bytes of the frame. */
  readonly reason: string;
}
