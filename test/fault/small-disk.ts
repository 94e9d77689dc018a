import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PAGE_BYTES = 4096;

export interface SmallDisk {
  /** As this process sees it. */
  readonly path: string;
  /** As a process sees it that was started through `through`. */
  readonly inside: string;
  /** Puts a command into the mount namespace of the disk. */
  readonly through: readonly string[];
  freeInodes(): number;
  /** Takes all bytes but so many pages; gives some back when there are fewer. */
  leavePages(pages: number): void;
  /** Takes all inodes but so many. */
  leaveInodes(inodes: number): void;
  /** Gives everything back. */
  free(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Reaches a tmpfs of a few KiB in a mount namespace of its own: no privilege is needed, and it is gone with its keeper. */
export async function smallDisk(limits: { bytes: number; inodes: number }): Promise<SmallDisk> {
  const mountPoint = mkdtempSync(join(tmpdir(), 'logweir-small-'));
  const keeper = await keepMount(mountPoint, `size=${limits.bytes},nr_inodes=${limits.inodes}`);
  const path = `/proc/${keeper.pid}/root${mountPoint}`;
  const ballast = join(path, 'ballast');
  mkdirSync(ballast);
  let pages: string[] = [];
  let empty: string[] = [];
  let made = 0;
  const take = (into: string[], content: Buffer | null): void => {
    const name = join(ballast, String(made++));
    const file = openSync(name, 'wx');
    into.push(name);
    if (content !== null) {
      writeSync(file, content);
    }
    closeSync(file);
  };
  const give = (from: string[], count: number): string[] => {
    for (const name of from.slice(0, count)) {
      rmSync(name);
    }
    return from.slice(count);
  };
  const freePages = (): number => {
    const { bavail, bsize } = statfsSync(path);
    return Math.floor((bavail * bsize) / PAGE_BYTES);
  };
  const freeInodes = (): number => statfsSync(path).ffree;
  return {
    path,
    inside: mountPoint,
    through: ['nsenter', '--target', String(keeper.pid), '--user', '--mount', '--preserve-credentials', '--'],
    freeInodes,
    leavePages(count) {
      while (freePages() > count) {
        take(pages, Buffer.alloc(PAGE_BYTES));
      }
      pages = give(pages, Math.max(0, count - freePages()));
    },
    leaveInodes(count) {
      while (freeInodes() > count) {
        take(empty, null);
      }
      empty = give(empty, Math.max(0, count - freeInodes()));
    },
    free() {
      pages = give(pages, pages.length);
      empty = give(empty, empty.length);
    },
    async [Symbol.asyncDispose]() {
      const ended = once(keeper, 'close');
      keeper.stdin?.end();
      await ended;
      rmSync(mountPoint, { recursive: true, force: true });
    },
  };
}

/** Whether this machine lets an ordinary user mount one; says so when it does not. */
export async function smallDisksWork(): Promise<boolean> {
  try {
    await using disk = await smallDisk({ bytes: 65_536, inodes: 16 });
    return disk.freeInodes() > 0;
  } catch (error) {
    console.warn(
      `SKIPPED: tests on a full disk, because a tmpfs can't be mounted in a user namespace: ${String(error)}`,
    );
    return false;
  }
}

/** A shell that holds the namespace until its stdin ends. */
async function keepMount(mountPoint: string, options: string): Promise<ChildProcess> {
  const script = `mount -t tmpfs -o ${options} logweir "$1" && echo mounted && exec cat`;
  const keeper = spawn('unshare', ['-Urm', 'sh', '-c', script, 'sh', mountPoint], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    keeper.once('error', reject);
    keeper.once('close', () => reject(new Error(said.trim())));
    keeper.stderr.on('data', (text: Buffer) => {
      said += text.toString();
    });
    keeper.stdout.once('data', () => resolve());
  });
  return keeper;
}
