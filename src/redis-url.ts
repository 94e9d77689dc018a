/** What REDIS_URL may be, in words. */
export const REDIS_URL_ALLOWED =
  'redis://[user:password@]host[:port][/db], rediss://… for TLS, or the absolute path of a unix socket';

const HOST = String.raw`(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])`;
const REDIS_URL = new RegExp(String.raw`^rediss?://(?:[^@/?#]*@)?${HOST}(?::\d{1,5})?(?:/\d*)?$`);
const SOCKET_PATH = /^\/[^/?@][^?@]*$/;

/** Stricter than ioredis, which takes `localhost`, `//host` and options in a query: one spelling, no surprise in a typo. */
export function isRedisUrl(text: string): boolean {
  if (SOCKET_PATH.test(text)) {
    return true;
  }
  return REDIS_URL.test(text) && URL.canParse(text);
}

const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//;
const HARMLESS = new RegExp(String.raw`^${HOST}(?::\d{1,5})?(?:/[\w.-]*)?$`);

/**
 * The URL as it may stand in a log or an error, also when it is malformed: everything before the last `@` is `***`, and
 * what does not plainly read as host, port and database is, too. A misplaced password never shows.
 */
export function maskRedisUrl(text: string): string {
  if (SOCKET_PATH.test(text)) {
    return text;
  }
  const scheme = SCHEME.exec(text)?.[0] ?? '';
  const at = text.lastIndexOf('@');
  const place = text.slice(at === -1 ? scheme.length : at + 1);
  return scheme + (at === -1 ? '' : '***@') + (HARMLESS.test(place) ? place : '***');
}
