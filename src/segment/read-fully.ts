import type { OpenFile } from './files.js';

/**
 * The `length` bytes at `position`, or as many as the file has there: one read may give fewer than there are.
 *
 * @throws the NodeJS.ErrnoException of the system call
 */
export async function readFully(file: Pick<OpenFile, 'read'>, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let total = 0;
  for (let read = -1; read !== 0 && total < length; total += read) {
    read = await file.read(buffer, total, length - total, position + total);
  }
  return buffer.subarray(0, total);
}
