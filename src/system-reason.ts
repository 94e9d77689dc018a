import { getSystemErrorMap } from 'node:util';

/** Why a system call failed, in the words of strerror(3): `no space left on device`. */
export function systemReason(error: NodeJS.ErrnoException): string {
  const known = error.errno === undefined ? undefined : getSystemErrorMap().get(error.errno);
  return known?.[1] ?? error.code ?? error.message;
}
