/** Pages of a listing: how many rows one has, and where it begins. A token holds the place itself, so the server remembers nothing. */

export const PAGE_SIZE_DEFAULT = 100;
export const PAGE_SIZE_MAX = 1_000;

/** Where the last row of the page before stood. */
export type PagePlace = readonly (string | number)[];

export interface Page<Place extends PagePlace> {
  readonly size: number;
  /** Null: the first page. */
  readonly after: Place | null;
}

export function pageToken(place: PagePlace): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** @param isPlace what this listing's tokens hold. @returns null when the listing gave out no such token */
export function placeIn<Place extends PagePlace>(
  token: string,
  isPlace: (value: unknown) => value is Place,
): Place | null {
  try {
    const place: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    return isPlace(place) ? place : null;
  } catch {
    return null;
  }
}
