/** Why a request is not answered with what it asked for: where errors become HTTP statuses. */
import { FilterProblem } from '../reading/filter-problem.js';
import { ReadingError, type ReadingErrorCode } from '../reading/reading-error.js';
import { StorageError } from '../segment/storage-error.js';
import { FILTER_PARAMETERS } from './filter-parameters.js';

export class HttpProblem extends Error {
  readonly status: number;
  /** Of the path or the query; null when the request as a whole is meant. */
  readonly parameter: string | null;

  /** @param sentence for the client */
  constructor(status: number, sentence: string, parameter: string | null = null) {
    super(sentence);
    this.name = 'HttpProblem';
    this.status = status;
    this.parameter = parameter;
  }
}

/** The body of an answer that is an error. */
export interface ProblemBody {
  readonly error: string;
  readonly parameter?: string;
}

const READING_STATUS: Readonly<Record<ReadingErrorCode, number>> = {
  UNKNOWN_SESSION: 404,
  DAMAGED_SEGMENT: 500,
  FILTER_TOO_SLOW: 400,
  UNSETTLED: 503,
};

/** Null: an error of the inside, which is nobody's business. */
export function problemAnswer(error: unknown): { status: number; body: ProblemBody } | null {
  if (error instanceof HttpProblem) {
    const { status, message, parameter } = error;
    return { status, body: { error: message, ...(parameter === null ? {} : { parameter }) } };
  }
  if (error instanceof FilterProblem) {
    const [parameter] = FILTER_PARAMETERS[error.field];
    return { status: 400, body: { error: `${parameter} ${error.reason}`, parameter } };
  }
  if (error instanceof ReadingError) {
    return { status: READING_STATUS[error.code], body: { error: error.message } };
  }
  if (error instanceof StorageError) {
    return { status: 503, body: { error: `${error.message}: it may be tried again` } };
  }
  return null;
}

/** What a stream that is under way says before it ends: its status is sent already. */
export interface StreamError {
  readonly code: ReadingErrorCode | 'SHUTTING_DOWN' | 'INTERNAL';
  readonly message: string;
  /** Whether asking again from where the stream stood may help. */
  readonly retry: boolean;
}

export const SHUTTING_DOWN: StreamError = {
  code: 'SHUTTING_DOWN',
  message: 'the server is shutting down',
  retry: true,
};

export function streamError(error: unknown): StreamError {
  return error instanceof ReadingError
    ? { code: error.code, message: error.message, retry: error.code === 'UNSETTLED' }
    : { code: 'INTERNAL', message: 'internal error', retry: true };
}
