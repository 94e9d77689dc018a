/** Pages of a listing. A token holds the place behind which a page begins, so the server remembers nothing. */
import { HttpProblem } from './http-problem.js';
import type { Query } from './query.js';

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1_000;
const PAGE_SIZE = 'page_size';
const PAGE_TOKEN = 'page_token';

/** Where the last row of the page before stood. */
export type PagePlace = readonly (string | number)[];

export interface Page<Place extends PagePlace> {
  readonly size: number;
  /** Null: the first page. */
  readonly after: Place | null;
}

/** @param isPlace what this listing's tokens hold. @throws HttpProblem 400 */
export function pageOf<Place extends PagePlace>(
  query: Query,
  isPlace: (value: unknown) => value is Place,
): Page<Place> {
  const size = query.count(PAGE_SIZE, PAGE_SIZE_MAX) ?? PAGE_SIZE_DEFAULT;
  if (size === 0) {
    throw new HttpProblem(400, `${PAGE_SIZE} must be above 0`, PAGE_SIZE);
  }
  const token = query.text(PAGE_TOKEN);
  return { size, after: token === null ? null : placeOf(token, isPlace) };
}

export function pageToken(place: PagePlace): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

function placeOf<Place>(token: string, isPlace: (value: unknown) => value is Place): Place {
  try {
    const place: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (isPlace(place)) {
      return place;
    }
  } catch {
    // Said below.
  }
  throw new HttpProblem(400, `${PAGE_TOKEN} is none that this listing gave out`, PAGE_TOKEN);
}
