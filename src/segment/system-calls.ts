import * as callbacks from 'node:fs';
import { promisify } from 'node:util';

/**
 * Node's own calls on plain descriptors, as promises. Not fs-extra: its graceful-fs meets EMFILE by trying again for a minute
 * without a word, and a session that waits so holds a place in the write lane.
 */
export const fs = {
  open: promisify(callbacks.open),
  close: promisify(callbacks.close),
  read: promisify(callbacks.read),
  write: promisify(callbacks.write),
  fdatasync: promisify(callbacks.fdatasync),
  fsync: promisify(callbacks.fsync),
  ftruncate: promisify(callbacks.ftruncate),
  fstat: promisify(callbacks.fstat),
  lstat: promisify(callbacks.lstat),
  stat: promisify(callbacks.stat),
  mkdir: promisify(callbacks.mkdir),
  readdir: promisify(callbacks.readdir),
  rmdir: promisify(callbacks.rmdir),
  rename: promisify(callbacks.rename),
  unlink: promisify(callbacks.unlink),
} as const;
