import { lineFilter } from '../reading/line-filter.js';
import type { LineFilter } from '../reading/log-source.js';
import { FILTER_PARAMETERS } from './filter-parameters.js';
import type { Query } from './query.js';

/**
 * The filter that a query asks for.
 * @returns null when all lines pass
 * @throws HttpProblem 400, FilterProblem
 */
export function filterOf(query: Query): LineFilter | null {
  const { levels, roles, userIds, keywords, startTime, endTime, pattern } = FILTER_PARAMETERS;
  return lineFilter({
    levels: query.list(...levels),
    roles: query.list(...roles),
    userIds: query.list(...userIds),
    keywords: query.list(...keywords),
    startTime: query.time(startTime[0]),
    endTime: query.time(endTime[0]),
    pattern: query.text(pattern[0]) ?? '',
  });
}
