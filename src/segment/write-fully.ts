import type { OpenFile } from './files.js';

/**
 * Writes buffer[from, to) at `position`, all of it: a full disk shortens a write without an error, which comes with the next
 * call, or a call that takes nothing.
 *
 * @throws the NodeJS.ErrnoException of the system call; how much was written before is not known then
 */
export async function writeFully(
  file: Pick<OpenFile, 'write'>,
  buffer: Uint8Array,
  from: number,
  to: number,
  position: number,
): Promise<void> {
  for (let done = 0; done < to - from; ) {
    const written = await file.write(buffer, from + done, to - from - done, position + done);
    if (written === 0) {
      throw Object.assign(new Error('ENOSPC: write took nothing'), { code: 'ENOSPC' });
    }
    done += written;
  }
}
