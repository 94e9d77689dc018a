/** What opening or reading says of a link, a directory, a pipe, a socket, or of a place under something that is no directory. */
const CODES: ReadonlySet<string | undefined> = new Set(['ELOOP', 'EISDIR', 'ESPIPE', 'ENXIO', 'ENOTDIR']);

/** Something else stands where a file should: no disk failed, and trying again does not help. */
export function isNotAFile(error: unknown): boolean {
  return CODES.has((error as NodeJS.ErrnoException | null)?.code);
}
