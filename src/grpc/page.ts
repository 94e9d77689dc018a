import type { FrameProblem } from '../frame/frame-problem.js';
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, type Page, type PagePlace, placeIn } from '../reading/page.js';

interface PageRequest {
  readonly page_size: number;
  readonly page_token: string;
}

/** The page that a request asks for. @param isPlace what this method's tokens hold */
export function pageOf<Place extends PagePlace>(
  { page_size: size, page_token: token }: PageRequest,
  isPlace: (value: unknown) => value is Place,
): Page<Place> | FrameProblem {
  if (size > PAGE_SIZE_MAX) {
    return { field: 'page_size', reason: `is above ${PAGE_SIZE_MAX}` };
  }
  const after = token === '' ? null : placeIn(token, isPlace);
  if (token !== '' && after === null) {
    return { field: 'page_token', reason: 'is none that this method gave out' };
  }
  return { size: size === 0 ? PAGE_SIZE_DEFAULT : size, after };
}
