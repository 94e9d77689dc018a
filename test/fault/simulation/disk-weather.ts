import { diskError } from './disk.js';
import type { Random } from './random.js';

export type DiskCall =
  | 'create'
  | 'open'
  | 'list'
  | 'stat'
  | 'mkdir'
  | 'rename'
  | 'remove'
  | 'rmdir'
  | 'fsync directory'
  | 'read file'
  | 'write'
  | 'read'
  | 'fdatasync'
  | 'truncate'
  | 'link'
  | 'close';

/** What each call may fail with. A record that can't be read (EIO) is given up by the outbox, as documented: not here. */
const ERRORS: Readonly<Partial<Record<DiskCall, readonly [string, ...string[]]>>> = {
  create: ['ENOSPC', 'EMFILE', 'EIO', 'EDQUOT', 'EROFS'],
  open: ['EMFILE', 'EIO'],
  list: ['EMFILE', 'EIO'],
  stat: ['EIO'],
  mkdir: ['ENOSPC', 'EIO', 'EROFS'],
  rename: ['EIO', 'ENOSPC', 'EROFS'],
  remove: ['EIO', 'EROFS'],
  rmdir: ['EIO', 'EROFS'],
  'fsync directory': ['EIO', 'EMFILE'],
  'read file': ['EMFILE'],
  write: ['EIO', 'ENOSPC', 'EDQUOT'],
  read: ['EIO'],
  fdatasync: ['EIO', 'ENOSPC'],
  truncate: ['EIO'],
  link: ['EPERM', 'EIO', 'ENOSPC'],
  close: ['EIO'],
};

const NEEDS_SPACE: ReadonlySet<DiskCall> = new Set(['create', 'write', 'mkdir']);

type Mood =
  | { readonly kind: 'fine' }
  | { readonly kind: 'failing'; readonly probability: number; readonly calls: ReadonlySet<DiskCall> | null }
  | { readonly kind: 'full' };

/** How the disk is at the moment: how long calls take, and which fail. */
export class DiskWeather {
  /** Calls that were made to fail, or to write less than they were given. */
  faults = 0;
  readonly #random: Random;
  /** Milliseconds, at most. */
  readonly #usualMs: number;
  readonly #stalls: number;
  readonly #stormy: boolean;
  #mood: Mood = { kind: 'fine' };
  healed = false;

  constructor(random: Random) {
    this.#random = random;
    this.#usualMs = random.pick([0.2, 1, 5, 20]);
    this.#stalls = random.pick([0, 0, 0.002, 0.02]);
    this.#stormy = random.chance(0.7);
  }

  /** The disk fails no more. */
  heal(): void {
    this.healed = true;
    this.#mood = { kind: 'fine' };
  }

  /** Fine for a while, or not. */
  change(): void {
    if (this.healed || !this.#stormy || this.#random.chance(0.5)) {
      this.#mood = { kind: 'fine' };
    } else if (this.#random.chance(0.2)) {
      this.#mood = { kind: 'full' };
    } else {
      const one = this.#random.pick<DiskCall>(['fdatasync', 'write', 'fsync directory', 'rename', 'create', 'remove']);
      const calls = this.#random.chance(0.5) ? new Set([one]) : null;
      this.#mood = { kind: 'failing', probability: this.#random.pick([0.02, 0.1, 0.3, 0.8]), calls };
    }
  }

  /** Milliseconds until a call takes effect. */
  latencyMs(call: DiskCall): number {
    const usual = this.#random.next() * this.#usualMs * (call === 'fdatasync' || call === 'fsync directory' ? 4 : 1);
    return this.#stalls > 0 && this.#random.chance(this.#stalls) ? usual + this.#random.next() * 3000 : usual;
  }

  /** The error that a call has to end with, or null. */
  errorOf(call: DiskCall): NodeJS.ErrnoException | null {
    const code = this.#codeOf(call);
    if (code === null) {
      return null;
    }
    this.faults++;
    return diskError(code);
  }

  /** How much of `length` bytes a write takes, without an error. */
  takenOf(length: number): number {
    const short = this.#mood.kind !== 'fine' && length > 1 && this.#random.chance(0.2);
    this.faults += short ? 1 : 0;
    return short ? this.#random.between(0, length - 1) : length;
  }

  #codeOf(call: DiskCall): string | null {
    const mood = this.#mood;
    if (mood.kind === 'full') {
      return NEEDS_SPACE.has(call) && this.#random.chance(0.9) ? 'ENOSPC' : null;
    }
    const errors = ERRORS[call];
    const due = mood.kind === 'failing' && (mood.calls?.has(call) ?? true) && this.#random.chance(mood.probability);
    return due && errors !== undefined ? this.#random.pick(errors) : null;
  }
}
