import { basename, dirname } from 'node:path';
import { FileContent } from './file-content.js';
import type { Random } from './random.js';

export interface FileNode {
  readonly kind: 'file';
  readonly content: FileContent;
  /** Wall clock, milliseconds. */
  readonly createdAtMs: number;
  modifiedAtMs: number;
}

export interface DirectoryNode {
  readonly kind: 'directory';
  readonly entries: Map<string, Node>;
  /** The names that a power cut leaves. */
  durable: Map<string, Node>;
}

export type Node = FileNode | DirectoryNode;

interface Assignment {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: Node | null;
}

/** A create, rename or remove: all of its assignments or none. */
interface NameChange {
  readonly assignments: readonly Assignment[];
  /** A directory that it removes: what was removed from that one came first. */
  readonly emptied?: DirectoryNode;
  /** Durable before it. */
  readonly after?: NameChange;
}

/**
 * A POSIX disk in memory, as adversarial as journaling allows.
 *
 * *Names*: a create, rename or remove is durable once a directory that it touches was synced, and those before it on
 * the same names with it. Of all others a power cut keeps any, in any combination. A rename loses
 * no name: it is atomic, or (`splitRenames`) the old name in another directory may come back. A file's own sync does nothing
 * for its name, nor a directory's.
 * *Bytes*: see FileContent.
 */
export class Disk {
  readonly #splitRenames: boolean;
  readonly root: DirectoryNode = directoryNode();
  #pending: NameChange[] = [];

  constructor(splitRenames: boolean) {
    this.#splitRenames = splitRenames;
  }

  /** What has this name, or null. @throws ENOTDIR */
  find(path: string): Node | null {
    let node: Node | null = this.root;
    for (const name of path.split('/').slice(1)) {
      if (node === null || name === '') {
        break;
      }
      if (node.kind !== 'directory') {
        throw diskError('ENOTDIR');
      }
      node = node.entries.get(name) ?? null;
    }
    return node;
  }

  /** @throws ENOENT */
  directory(path: string): DirectoryNode {
    const node = this.find(path);
    if (node === null) {
      throw diskError('ENOENT');
    }
    if (node.kind !== 'directory') {
      throw diskError('ENOTDIR');
    }
    return node;
  }

  /** @throws ENOENT */
  file(path: string): FileNode {
    const node = this.find(path);
    if (node === null) {
      throw diskError('ENOENT');
    }
    if (node.kind !== 'file') {
      throw diskError('EISDIR');
    }
    return node;
  }

  /** @throws EEXIST, ENOENT */
  create(path: string, wallMs: number): FileNode {
    const file: FileNode = { kind: 'file', content: new FileContent(), createdAtMs: wallMs, modifiedAtMs: wallMs };
    this.link(path, file);
    return file;
  }

  /** @throws EEXIST, ENOENT */
  link(path: string, node: Node): void {
    const directory = this.directory(dirname(path));
    if (directory.entries.has(basename(path))) {
      throw diskError('EEXIST');
    }
    this.#change([{ directory, name: basename(path), node }]);
  }

  /** False when it is there. @throws ENOENT */
  makeDirectory(path: string): boolean {
    if (this.find(path)?.kind === 'directory') {
      return false;
    }
    this.link(path, directoryNode());
    return true;
  }

  /** @throws ENOENT */
  rename(from: string, to: string): void {
    const node = this.file(from);
    const target = this.directory(dirname(to));
    const source = this.directory(dirname(from));
    const gone = { directory: source, name: basename(from), node: null };
    const come = { directory: target, name: basename(to), node };
    if (this.#splitRenames && source !== target) {
      const first = this.#change([come]);
      this.#change([gone], { after: first });
    } else {
      this.#change([gone, come]);
    }
  }

  /** An absent one is fine. */
  remove(path: string): void {
    const directory = this.find(dirname(path));
    if (directory?.kind === 'directory' && directory.entries.has(basename(path))) {
      this.#change([{ directory, name: basename(path), node: null }]);
    }
  }

  removeDirectoryIfEmpty(path: string): void {
    const node = this.find(path);
    if (node?.kind === 'directory' && node.entries.size === 0) {
      this.#change([{ directory: this.directory(dirname(path)), name: basename(path), node: null }], { emptied: node });
    }
  }

  /** What a sync of the directory that begins now has to make durable: for `syncNames`. */
  pendingNames(directory: DirectoryNode): ReadonlySet<object> {
    return new Set(this.#pending.filter(({ assignments }) => assignments.some((one) => one.directory === directory)));
  }

  syncNames(changes: ReadonlySet<object>): void {
    this.#keep(changes);
  }

  /** Leaves what is durable, and of the rest what chance keeps. */
  powerCut(random: Random): void {
    const kept = random.pick([0, 0.2, 0.5, 0.8, 1]);
    const ordered = random.chance(0.3);
    const pending = ordered ? this.#pending.slice(0, random.between(0, this.#pending.length)) : this.#pending;
    this.#keep(new Set(pending.filter(() => ordered || random.chance(kept))));
    this.#pending = [];
    this.#restart(this.root, random, new Set());
  }

  /** Path and content of every file, and every directory with a slash at its end. */
  snapshot(under: DirectoryNode = this.root, path = ''): Map<string, Buffer> {
    const found = new Map<string, Buffer>();
    for (const [name, node] of [...under.entries].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
      if (node.kind === 'file') {
        found.set(`${path}/${name}`, node.content.bytes);
      } else {
        found.set(`${path}/${name}/`, Buffer.alloc(0));
        for (const [inner, bytes] of this.snapshot(node, `${path}/${name}`)) {
          found.set(inner, bytes);
        }
      }
    }
    return found;
  }

  #change(assignments: readonly Assignment[], order: Pick<NameChange, 'emptied' | 'after'> = {}): NameChange {
    for (const { directory, name, node } of assignments) {
      set(directory.entries, name, node);
    }
    const change = { assignments, ...order };
    this.#pending.push(change);
    return change;
  }

  /** Makes these durable, and whatever had to happen before them. */
  #keep(wanted: ReadonlySet<object>): void {
    const kept = new Set(wanted);
    const later: NameChange[] = [];
    for (const change of this.#pending.toReversed()) {
      if (kept.has(change) || later.some((other) => follows(other, change))) {
        kept.add(change);
        later.push(change);
      }
    }
    for (const { assignments } of this.#pending.filter((change) => kept.has(change))) {
      for (const { directory, name, node } of assignments) {
        set(directory.durable, name, node);
      }
    }
    this.#pending = this.#pending.filter((change) => !kept.has(change));
  }

  #restart(directory: DirectoryNode, random: Random, seen: Set<FileNode>): void {
    directory.entries.clear();
    for (const [name, node] of directory.durable) {
      directory.entries.set(name, node);
      if (node.kind === 'directory') {
        this.#restart(node, random, seen);
      } else if (!seen.has(node)) {
        seen.add(node);
        node.content.powerCut(random);
      }
    }
  }
}

export function diskError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated`), { code });
}

function directoryNode(): DirectoryNode {
  return { kind: 'directory', entries: new Map(), durable: new Map() };
}

function set(entries: Map<string, Node>, name: string, node: Node | null): void {
  if (node === null) {
    entries.delete(name);
  } else {
    entries.set(name, node);
  }
}

function follows(later: NameChange, earlier: NameChange): boolean {
  return (
    later.after === earlier ||
    earlier.assignments.some(
      (before) =>
        before.directory === later.emptied ||
        later.assignments.some((after) => after.directory === before.directory && after.name === before.name),
    )
  );
}
