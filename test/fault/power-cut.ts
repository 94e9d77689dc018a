import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Call, creates } from './call-log.js';

/**
 * What a power cut leaves of what was not synced:
 *
 *     nothing   only what a sync that succeeded promised
 *     names     all names, and no unsynced byte (metadata written back before the data)
 *     data      all bytes, and no unsynced name
 *     some      of each directory the first few changes of its names, of each file the first few writes, with or without
 *               the size that it had: a tail of NULs
 */
export type Loss = 'nothing' | 'names' | 'data' | 'some';
export const LOSSES: readonly Loss[] = ['nothing', 'names', 'data', 'some'];

interface Change<T> {
  /** The call that made it. */
  readonly number: number;
  readonly value: T;
}

type Resize = { readonly size: number };
type Write = { readonly offset: number; readonly data: Buffer };

class SimulatedFile {
  synced: Buffer;
  changes: Change<Write | Resize>[] = [];

  constructor(synced: Buffer) {
    this.synced = synced;
  }

  /** A sync that failed marks the pages clean all the same: later ones do not write them. */
  sync(began: number, succeeded: boolean): void {
    const due = this.changes.filter(({ number }) => number <= began);
    this.changes = this.changes.filter(({ number }) => number > began);
    if (succeeded) {
      this.synced = contentOf(this.synced, due);
    }
  }

  after(loss: Loss, random: () => number): Buffer {
    if (loss === 'nothing' || loss === 'names') {
      return this.synced;
    }
    const kept = loss === 'data' ? this.changes.length : Math.floor(random() * (this.changes.length + 1));
    const content = contentOf(this.synced, this.changes.slice(0, kept));
    const full = contentOf(this.synced, this.changes).length;
    const withSize = loss === 'some' && random() < 0.5 && full > content.length;
    return withSize ? Buffer.concat([content, Buffer.alloc(full - content.length)]) : content;
  }
}

function contentOf(base: Buffer, changes: readonly Change<Write | Resize>[]): Buffer {
  let content = base;
  for (const { value } of changes) {
    const size = 'size' in value ? value.size : Math.max(content.length, value.offset + value.data.length);
    const next = Buffer.alloc(size);
    content.copy(next);
    if ('data' in value) {
      value.data.copy(next, value.offset);
    }
    content = next;
  }
  return content;
}

type Entry = SimulatedFile | SimulatedDirectory;

/** Names that come (an entry) or go (null), at one stroke. */
interface Renaming {
  /** The call that did it. */
  readonly number: number;
  readonly names: ReadonlyMap<string, Entry | null>;
  /** Makes what left here durable where it went. */
  readonly arrive: (() => void) | null;
}

class SimulatedDirectory {
  /** For good. */
  readonly synced = new Map<string, Entry>();
  #changes: Renaming[] = [];

  get(name: string): Entry | null {
    const change = this.#changes.findLast(({ names }) => names.has(name));
    return (change === undefined ? this.synced.get(name) : change.names.get(name)) ?? null;
  }

  change(number: number, names: Renaming['names'], arrive: Renaming['arrive'] = null): void {
    this.#changes.push({ number, names, arrive });
  }

  /** What the call `upTo` and those before it did is durable. */
  keep(upTo: number): void {
    const due = this.#changes.filter(({ number }) => number <= upTo);
    this.#changes = this.#changes.filter(({ number }) => number > upTo);
    for (const { names, arrive } of due) {
      for (const [name, entry] of names) {
        if (entry === null) {
          this.synced.delete(name);
        } else {
          this.synced.set(name, entry);
        }
      }
      arrive?.();
    }
  }

  sync(began: number, succeeded: boolean): void {
    if (succeeded) {
      this.keep(began);
    }
  }

  /** Decides what is kept of the unsynced names, here and below. */
  settle(loss: Loss, random: () => number): void {
    const numbers = this.#changes.map(({ number }) => number);
    const kept = { nothing: 0, data: 0, names: numbers.length, some: Math.floor(random() * (numbers.length + 1)) }[
      loss
    ];
    this.keep(numbers[kept - 1] ?? 0);
    for (const entry of this.synced.values()) {
      if (entry instanceof SimulatedDirectory) {
        entry.settle(loss, random);
      }
    }
  }
}

/** Whether a file that is moved to another directory may be in neither after a power cut, when only the old one was synced. */
export type Moves = 'whole' | 'split';

/**
 * A disk that knows what was promised: it follows the calls on a directory (logged with their data) beside the real one, and
 * can say what a power cut would have left. POSIX alone counts: fdatasync of a file keeps its bytes, fsync of a directory its
 * names, and nothing else keeps anything. One more promise is needed by whoever moves files out of a directory that others
 * sync: ext4, xfs and btrfs write a rename between directories as one transaction, so that the old name is never gone for good
 * before the new one is there; with `split`, not even that holds.
 */
export class SimulatedDisk {
  readonly #path: string;
  readonly #moves: Moves;
  readonly #root: SimulatedDirectory;
  #open = new Map<number, Entry>();
  #pid = 0;
  #before = 0;

  /** What is in the directory now is on the disk for good. */
  constructor(path: string, moves: Moves = 'whole') {
    this.#path = path;
    this.#moves = moves;
    this.#root = directoryOf(path);
  }

  /** Takes the next calls, perhaps of a new process after a kill -9, which loses nothing by itself. */
  follow(calls: readonly Call[]): void {
    for (const call of calls) {
      if (call.pid !== this.#pid) {
        this.#pid = call.pid;
        this.#open = new Map();
        // Each process counts its calls from 1.
        this.#before += 1_000_000;
      }
      if (call.action === 'kill-before') {
        continue;
      }
      this.#apply(call, this.#before + call.number, this.#before + call.began);
    }
  }

  /** Makes the real directory what the power cut left. */
  cut(loss: Loss, random: () => number): void {
    rmSync(this.#path, { recursive: true, force: true });
    this.#root.settle(loss, random);
    writeDirectory(this.#path, this.#root, loss, random);
  }

  #apply(call: Call, number: number, began: number): void {
    const { kind, fd, path, path2, result } = call;
    const entry = this.#open.get(fd);
    if (kind === 'fsync' || kind === 'fdatasync') {
      entry?.sync(began, result === 0);
    } else if (kind === 'close') {
      this.#open.delete(fd);
    } else if (result < 0) {
      return;
    } else if (kind === 'open') {
      this.#opened(call, number);
    } else if (kind === 'write' && entry instanceof SimulatedFile) {
      entry.changes.push({ number, value: { offset: call.offset, data: Buffer.from(call.data) } });
    } else if (kind === 'ftruncate' && entry instanceof SimulatedFile) {
      entry.changes.push({ number, value: { size: call.length } });
    } else if (kind === 'mkdir' && path !== this.#path) {
      this.#parentOf(path)?.change(number, new Map([[basename(path), new SimulatedDirectory()]]));
    } else if (kind === 'unlink' || kind === 'rmdir') {
      this.#parentOf(path)?.change(number, new Map([[basename(path), null]]));
    } else if (kind === 'link') {
      this.#parentOf(path2)?.change(number, new Map([[basename(path2), this.#find(path)]]));
    } else if (kind === 'rename') {
      this.#rename(path, path2, number);
    }
  }

  #opened(call: Call, number: number): void {
    let entry = this.#find(call.path);
    if (entry === null && creates(call)) {
      entry = new SimulatedFile(Buffer.alloc(0));
      this.#parentOf(call.path)?.change(number, new Map([[basename(call.path), entry]]));
    }
    if (entry !== null) {
      this.#open.set(call.fd, entry);
    }
  }

  #rename(from: string, to: string, number: number): void {
    const entry = this.#find(from);
    const [source, target] = [this.#parentOf(from), this.#parentOf(to)];
    const gone = [basename(from), null] as const;
    const come = [basename(to), entry] as const;
    if (source === target) {
      source?.change(number, new Map([gone, come]));
      return;
    }
    target?.change(number, new Map([come]));
    source?.change(number, new Map([gone]), this.#moves === 'whole' ? () => target?.keep(number) : null);
  }

  #parentOf(path: string): SimulatedDirectory | null {
    const parent = this.#find(dirname(path));
    return parent instanceof SimulatedDirectory ? parent : null;
  }

  #find(path: string): Entry | null {
    let entry: Entry | null = this.#root;
    for (const name of path
      .slice(this.#path.length)
      .split('/')
      .filter((part) => part !== '')) {
      entry = entry instanceof SimulatedDirectory ? entry.get(name) : null;
    }
    return entry;
  }
}

function directoryOf(path: string): SimulatedDirectory {
  const directory = new SimulatedDirectory();
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      directory.synced.set(entry.name, directoryOf(join(path, entry.name)));
    } else if (entry.isFile()) {
      directory.synced.set(entry.name, new SimulatedFile(readFileSync(join(path, entry.name))));
    }
  }
  return directory;
}

function writeDirectory(path: string, directory: SimulatedDirectory, loss: Loss, random: () => number): void {
  mkdirSync(path);
  for (const [name, entry] of directory.synced) {
    if (entry instanceof SimulatedDirectory) {
      writeDirectory(join(path, name), entry, loss, random);
    } else {
      writeFileSync(join(path, name), entry.after(loss, random), { mode: 0o600 });
    }
  }
}
