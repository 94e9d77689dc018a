import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, type Page, type PagePlace, placeIn } from '../reading/page.js';
import { HttpProblem } from './http-problem.js';
import type { Query } from './query.js';

const PAGE_SIZE = 'page_size';
const PAGE_TOKEN = 'page_token';

/** The page that a query asks for. @param isPlace what this listing's tokens hold. @throws HttpProblem 400 */
export function pageOf<Place extends PagePlace>(
  query: Query,
  isPlace: (value: unknown) => value is Place,
): Page<Place> {
  const size = query.count(PAGE_SIZE, PAGE_SIZE_MAX) ?? PAGE_SIZE_DEFAULT;
  if (size === 0) {
    throw new HttpProblem(400, `${PAGE_SIZE} must be above 0`, PAGE_SIZE);
  }
  const token = query.text(PAGE_TOKEN);
  const after = token === null ? null : placeIn(token, isPlace);
  if (token !== null && after === null) {
    throw new HttpProblem(400, `${PAGE_TOKEN} is none that this listing gave out`, PAGE_TOKEN);
  }
  return { size, after };
}
