/** Why a session cannot be read: a closed set. */
export type ReadingErrorCode =
  /** Nothing under that id. */
  | 'UNKNOWN_SESSION'
  /** A sealed segment does not hold what its name says. */
  | 'DAMAGED_SEGMENT'
  /** The filter's pattern took longer than it may. */
  | 'FILTER_TOO_SLOW'
  /** Files kept vanishing under the reader without anything in their place. */
  | 'UNSETTLED';

/** One sentence in `message`. */
export class ReadingError extends Error {
  readonly code: ReadingErrorCode;

  constructor(code: ReadingErrorCode, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = 'ReadingError';
    this.code = code;
  }
}

export function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ENOENT';
}
