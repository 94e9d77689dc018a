/** Pages of a listing: how many a page has, and where it begins. A token holds the place itself, so the server remembers nothing. */
import type { FrameProblem } from '../frame/frame-problem.js';

const PAGE_SIZE_DEFAULT = 100;
export const PAGE_SIZE_MAX = 1000;
/** Clients take messages of 4 MiB unless told otherwise. */
export const PAGE_BYTES_MAX = 3 << 20;
/** Where the last row of the page before stood. */
export type PagePlace = readonly (string | number)[];

export interface PageRequest {
  readonly page_size: number;
  readonly page_token: string;
}

const BAD_TOKEN: FrameProblem = { field: 'page_token', reason: 'is none that this method gave out' };

export interface Page<Place extends PagePlace> {
  readonly size: number;
  /** Null: the first page. */
  readonly after: Place | null;
}

/** @param isPlace what this method's tokens hold */
export function pageOf<Place extends PagePlace>(
  { page_size: size, page_token: token }: PageRequest,
  isPlace: (value: unknown) => value is Place,
): Page<Place> | FrameProblem {
  if (size > PAGE_SIZE_MAX) {
    return { field: 'page_size', reason: `is above ${PAGE_SIZE_MAX}` };
  }
  const pageSize = size === 0 ? PAGE_SIZE_DEFAULT : size;
  if (token === '') {
    return { size: pageSize, after: null };
  }
  let place: unknown;
  try {
    place = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    return BAD_TOKEN;
  }
  return isPlace(place) ? { size: pageSize, after: place } : BAD_TOKEN;
}

export function pageToken(place: PagePlace): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}
