/** Of Linux, which libuv has no names for: Node calls them "Unknown system error -122". */
const UNNAMED: ReadonlyMap<number, string> = new Map([
  [-116, 'ESTALE'],
  [-117, 'EUCLEAN'],
  [-122, 'EDQUOT'],
]);

const NAME = /^E[A-Z0-9]+$/;

/**
 * The name of a system call's error (ENOSPC, EIO, …); null for everything else: Node's own `ERR_…`, zlib's `Z_…`, and errors without
 * a code.
 */
export function systemCode(error: unknown): string | null {
  const { code, errno, syscall } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  if (typeof code === 'string' && NAME.test(code)) {
    return code;
  }
  if (errno === undefined || syscall === undefined) {
    return null;
  }
  return UNNAMED.get(errno) ?? `E${-errno}`;
}
