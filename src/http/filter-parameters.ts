import type { LineFilterSpec } from '../reading/line-filter.js';

/** The names that viewers use already; the first is the one that complaints name. */
export const FILTER_PARAMETERS: Readonly<Record<keyof LineFilterSpec, readonly [string, ...string[]]>> = {
  levels: ['level'],
  roles: ['role', 'source'],
  userIds: ['user_id', 'workerId'],
  keywords: ['keywords'],
  startTime: ['start_time'],
  endTime: ['end_time'],
  pattern: ['pattern'],
};
