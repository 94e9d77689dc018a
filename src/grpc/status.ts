import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { NotALine } from '../frame/json-reader.js';
import { ReadingError, type ReadingErrorCode } from '../reading/reading-error.js';
import type { Completion } from '../segment/completion-record.js';
import { FormatTooNew } from '../segment/format-too-new.js';
import { StorageError, type StorageErrorCode } from '../segment/storage-error.js';
import { Overload } from '../session/admission.js';
import { Conflict, LookupFailed } from '../session/conflict.js';
import { ACCEPTED_ENCODINGS, UNKNOWN_ENCODING } from './inflater.js';

/** The one place where errors become gRPC status. Details hold no paths, no stacks and nothing that a client sent, but for a status made visible. */

const RETRY_SECONDS = 1;

const STORAGE_STATUS: Readonly<Record<StorageErrorCode, status>> = {
  DISK_FULL: status.RESOURCE_EXHAUSTED,
  TOO_MANY_FILES: status.UNAVAILABLE,
  DISK_READ_ONLY: status.UNAVAILABLE,
  DISK_FAILED: status.UNAVAILABLE,
};

/** What the call had done when it ended: stands in its trailers. */
export interface Progress {
  readonly received: number;
  readonly written: number;
}

/** The stream ended inside a frame. */
export const TORN_FRAME: FrameProblem = { field: 'frame', reason: 'is cut off: the stream ended before it did' };

/**
 * A frame that can never be stored: INVALID_ARGUMENT with its index, counted from 0 within the call, and its field; ALREADY_EXISTS,
 * and the session's last seq beside them, when its number is used for another one; UNIMPLEMENTED when it is compressed in a
 * way that is not known here.
 */
export function refusedFrame(index: number, problem: FrameProblem, progress: Progress): StatusObject {
  const metadata = progressTrailers(progress);
  metadata.set('logweir-frame-index', String(index));
  metadata.set('logweir-frame-field', problem.field);
  const details = `frame ${index} (counted from 0): ${problem.field} ${problem.reason}`;
  if (problem instanceof Conflict) {
    metadata.set('logweir-last-seq', String(problem.lastSeq));
    return { code: status.ALREADY_EXISTS, details, metadata };
  }
  return { code: codeOf(problem, metadata), details, metadata };
}

/** gRPC's compression.md has the encodings that would do named beside UNIMPLEMENTED. */
function codeOf(problem: FrameProblem, metadata: Metadata): status {
  if (problem !== UNKNOWN_ENCODING) {
    return status.INVALID_ARGUMENT;
  }
  metadata.set('grpc-accept-encoding', ACCEPTED_ENCODINGS);
  return status.UNIMPLEMENTED;
}

/** A message that can't be read as a batch, or comes out of order: the stream can't go on. */
export function invalidBatch(lastBatchId: number, problem: FrameProblem): StatusObject {
  const where = lastBatchId < 0 ? 'the first batch' : `the batch after batch_id ${lastBatchId}`;
  const metadata = new Metadata();
  return { code: codeOf(problem, metadata), details: `${where}: ${problem.field} ${problem.reason}`, metadata };
}

/** Nothing came for as long as a stream may be silent. */
export function silentStream(seconds: number, isFirst: boolean, progress: Progress): StatusObject {
  const since = isFirst ? 'since the stream was opened' : 'on this stream';
  return goOnAnew(`nothing came ${since} for ${seconds} s`, progress);
}

export function agedConnection(progress: Progress): StatusObject {
  return goOnAnew('the connection is closed for its age', progress);
}

function goOnAnew(why: string, progress: Progress): StatusObject {
  const details = `${why}; ${progress.written} frames of this stream were stored: open another one to go on`;
  return { code: status.UNAVAILABLE, details, metadata: progressTrailers(progress) };
}

/** One stream more than GRPC_MAX_STREAMS. */
export function tooManyStreams(progress: Progress): StatusObject {
  const code = status.RESOURCE_EXHAUSTED;
  const details = 'as many streams are open as this server allows';
  const metadata = progressTrailers(progress);
  metadata.set('grpc-status-details-bin', retryInfo(code, details, RETRY_SECONDS));
  return { code, details, metadata };
}

/** The server goes down; the same call can be made again once it is back. */
export function shuttingDown(progress: Progress): StatusObject {
  const details = `the server is shutting down; ${progress.written} frames of this stream were stored`;
  return { code: status.UNAVAILABLE, details, metadata: progressTrailers(progress) };
}

/** Why frames are not known to be durable. */
export function notStored(error: unknown, progress: Progress): StatusObject {
  const metadata = progressTrailers(progress);
  if (error instanceof StorageError) {
    const code = STORAGE_STATUS[error.code];
    const details = `${error.message}: frames of this stream are not known to be stored`;
    metadata.set('grpc-status-details-bin', retryInfo(code, details, RETRY_SECONDS));
    return { code, details, metadata };
  }
  if (error instanceof Overload) {
    const code = status.RESOURCE_EXHAUSTED;
    metadata.set('grpc-status-details-bin', retryInfo(code, error.message, RETRY_SECONDS));
    return { code, details: error.message, metadata };
  }
  if (error instanceof LookupFailed) {
    const details = `${error.message}: whether it is stored can't be told`;
    if (error.byDisk) {
      metadata.set('grpc-status-details-bin', retryInfo(status.UNAVAILABLE, details, RETRY_SECONDS));
    }
    return { code: error.byDisk ? status.UNAVAILABLE : status.INTERNAL, details, metadata };
  }
  if (error instanceof FormatTooNew) {
    return { code: status.FAILED_PRECONDITION, details: error.message, metadata };
  }
  return { code: status.INTERNAL, details: 'internal error', metadata };
}

/** A request that can never be answered. */
export function invalidRequest({ field, reason }: FrameProblem): StatusObject {
  return { code: status.INVALID_ARGUMENT, details: `${field} ${reason}`, metadata: new Metadata() };
}

export function unknownSession(): StatusObject {
  const details = 'nothing is stored under this session_id';
  return { code: status.NOT_FOUND, details, metadata: new Metadata() };
}

/** It was completed at its last line with another status or exit code, which are named: the status made visible. */
export function alreadyCompleted({ status: told, exitCode, lastSeq }: Completion): StatusObject {
  const how = exitCode === null ? 'without an exit code' : `with exit code ${exitCode}`;
  const details = `the session was completed at seq ${lastSeq} as ${visible(told)} ${how}`;
  return { code: status.ALREADY_EXISTS, details, metadata: new Metadata() };
}

/** Why it can't be said whether a session is completed. */
export function notCompleted(error: unknown): StatusObject {
  return notAnswered(error, 'whether the session is completed is not known; it may be tried again');
}

/** Why it can't be said how far a session has come. */
export function notTold(error: unknown): StatusObject {
  return notAnswered(error, 'how far the session has come is not known at the moment');
}

function notAnswered(error: unknown, what: string): StatusObject {
  const metadata = new Metadata();
  if (error instanceof StorageError) {
    const code = STORAGE_STATUS[error.code];
    const details = `${error.message}: ${what}`;
    metadata.set('grpc-status-details-bin', retryInfo(code, details, RETRY_SECONDS));
    return { code, details, metadata };
  }
  if (error instanceof FormatTooNew) {
    return { code: status.FAILED_PRECONDITION, details: error.message, metadata };
  }
  return { code: status.INTERNAL, details: 'internal error', metadata };
}

/** Quoted, in ASCII: whatever shows it, nothing in it acts upon a terminal. */
function visible(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

const READING_STATUS: Readonly<Record<ReadingErrorCode, status>> = {
  UNKNOWN_SESSION: status.NOT_FOUND,
  DAMAGED_SEGMENT: status.DATA_LOSS,
  FILTER_TOO_SLOW: status.RESOURCE_EXHAUSTED,
  UNSETTLED: status.UNAVAILABLE,
};

const READING_DETAILS: Readonly<Record<ReadingErrorCode, string>> = {
  UNKNOWN_SESSION: unknownSession().details,
  DAMAGED_SEGMENT: 'a finished segment of the session is damaged: `logweir verify` says which, and how',
  FILTER_TOO_SLOW: 'filter.pattern takes too long over the lines: use a simpler one',
  UNSETTLED: 'files of the session keep vanishing: try again',
};

/** Why a session's lines can't be had, or not at the moment. */
export function notRead(error: unknown): StatusObject {
  const metadata = new Metadata();
  if (error instanceof ReadingError) {
    return { code: READING_STATUS[error.code], details: READING_DETAILS[error.code], metadata };
  }
  if (error instanceof NotALine) {
    return { code: status.DATA_LOSS, details: READING_DETAILS.DAMAGED_SEGMENT, metadata };
  }
  if (error instanceof StorageError) {
    // To a reader a full disk is no obstacle: what fails here can't be read.
    return withRetryInfo(status.UNAVAILABLE, `${error.message}: the lines can't be read at the moment`);
  }
  if (error instanceof Overload) {
    return withRetryInfo(status.RESOURCE_EXHAUSTED, error.message);
  }
  return { code: status.INTERNAL, details: 'internal error', metadata };
}

/** One reader more than GRPC_MAX_READERS. */
export function tooManyReaders(): StatusObject {
  return withRetryInfo(status.RESOURCE_EXHAUSTED, 'as many calls read sessions as this server allows');
}

/** The same call can be made again, from the last seq on, once the server is back. */
export function readerShutDown(): StatusObject {
  return { code: status.UNAVAILABLE, details: 'the server is shutting down', metadata: new Metadata() };
}

export function readerConnectionAged(): StatusObject {
  const details = 'the connection is closed for its age: open another one to go on';
  return { code: status.UNAVAILABLE, details, metadata: new Metadata() };
}

function withRetryInfo(code: status, details: string): StatusObject {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', retryInfo(code, details, RETRY_SECONDS));
  return { code, details, metadata };
}

function progressTrailers({ received, written }: Progress): Metadata {
  const metadata = new Metadata();
  metadata.set('logweir-frames-received', String(received));
  metadata.set('logweir-frames-written', String(written));
  return metadata;
}

/**
 * google.rpc.Status holding a google.rpc.RetryInfo, as clients look for it in `grpc-status-details-bin`
 * (googleapis, google/rpc/error_details.proto).
 */
function retryInfo(code: status, message: string, seconds: number): Buffer {
  const duration = Buffer.from([0x08, seconds]);
  const info = lengthDelimited(1, duration);
  const any = Buffer.concat([
    lengthDelimited(1, Buffer.from('type.googleapis.com/google.rpc.RetryInfo')),
    lengthDelimited(2, info),
  ]);
  return Buffer.concat([Buffer.from([0x08, code]), lengthDelimited(2, Buffer.from(message)), lengthDelimited(3, any)]);
}

/** A field of at most 16,383 bytes. */
function lengthDelimited(field: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 128 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...size]), content]);
}
