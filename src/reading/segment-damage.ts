import { NotALine } from '../frame/json-reader.js';
import { isNotAFile } from '../segment/not-a-file.js';
import type { SegmentFile } from './plan.js';
import { ReadingError } from './reading-error.js';

/** @param cause in which way it does not hold what its name says */
export function damagedSegment({ stem }: SegmentFile, cause: unknown): ReadingError {
  return new ReadingError('DAMAGED_SEGMENT', `segment ${stem} is damaged`, { cause });
}

/** What reading a sealed segment threw, by what it means to whoever reads the session. */
export function segmentError(segment: SegmentFile, error: unknown): unknown {
  return error instanceof NotALine || isNotAFile(error) ? damagedSegment(segment, error) : error;
}
