import { existsSync, readFileSync } from 'node:fs';

export type CallKind =
  | 'open'
  | 'close'
  | 'read'
  | 'write'
  | 'fsync'
  | 'fdatasync'
  | 'ftruncate'
  | 'rename'
  | 'unlink'
  | 'mkdir'
  | 'rmdir'
  | 'link';

/** A system call that is over, as faults.c wrote it down. */
export interface Call {
  readonly pid: number;
  /** From 1, in the order in which the calls of the process ended. */
  readonly number: number;
  /** How many calls had ended when this one began. */
  readonly began: number;
  readonly kind: CallKind;
  /** -1 where there is none. That of an open is its result. */
  readonly fd: number;
  readonly offset: number;
  /** Bytes asked for, the flags of an open, the new size of an ftruncate. */
  readonly length: number;
  /** -1 when it failed. */
  readonly result: number;
  readonly errno: number;
  /** The fault that it met, empty for none. */
  readonly action: string;
  /** Of a descriptor: the one it was opened with. */
  readonly path: string;
  /** The new name, of a rename or a link. */
  readonly path2: string;
  /** What a write wrote, where the log was asked for it. */
  readonly data: Buffer;
}

const EMPTY = Buffer.alloc(0);
const O_CREAT = 0o100;
const O_TRUNC = 0o1000;

/** @param withData as it was given to the process */
export function readCalls(path: string, withData = false): Call[] {
  const log = existsSync(path) ? readFileSync(path) : EMPTY;
  const calls: Call[] = [];
  for (let at = 0; at < log.length; ) {
    const end = log.indexOf(0x0a, at);
    // The process was killed in the middle of a record: nobody saw the end of that call.
    if (end === -1) {
      break;
    }
    const call = parseCall(log.toString('utf8', at, end));
    at = end + 1;
    if (withData && call.kind === 'write' && call.result > 0) {
      calls.push({ ...call, data: log.subarray(at, at + call.result) });
      at += call.result + 1;
    } else {
      calls.push(call);
    }
  }
  return calls;
}

/** As `change` in a rule of faults.c. */
export function changes({ kind, length }: Call): boolean {
  return kind === 'open' ? (length & (O_CREAT | O_TRUNC)) !== 0 : kind !== 'read' && kind !== 'close';
}

export function creates({ kind, length }: Call): boolean {
  return kind === 'open' && (length & O_CREAT) !== 0;
}

function parseCall(line: string): Call {
  const fields = line.split('\t');
  const text = (index: number): string => fields[index] ?? '';
  const count = (index: number): number => Number(text(index));
  return {
    pid: count(0),
    number: count(1),
    began: count(2),
    kind: text(3) as CallKind,
    fd: text(3) === 'open' ? count(7) : count(4),
    offset: count(5),
    length: count(6),
    result: count(7),
    errno: count(8),
    action: text(9),
    path: text(10),
    path2: text(11),
    data: EMPTY,
  };
}
