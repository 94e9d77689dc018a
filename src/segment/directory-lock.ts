/**
 * One server per LOG_DIR. No pid files (every container's server is pid 1) and no flock (Node has none): the lock is a
 * listening unix socket in the directory. The kernel closes it when its process ends, however that ends (and not before the
 * last system call of its last thread), so a lock left by kill -9 shows by its refused connection and needs no hand. It holds for all processes of one kernel, containers
 * that share the volume included; two machines that mount one network directory are not kept apart.
 *
 * To claim: (a) listen on LOCK.<random>.new, (b) rename it to LOCK.<random>, (c) list the directory and connect to every
 * other LOCK.<random>. Accepted, or failed in a way that proves nothing: somebody lives, withdraw. Refused or gone: dead,
 * remove it. Nobody lives: the directory is ours.
 *
 * *Exclusion.* Two cannot both own. Say A and B do; renames in one directory are ordered, let A's come first. B lists after
 * its own rename, so after A's, and finds A's name unless it was removed before. A removes it only when it withdraws or
 * releases, so when it does not own. Anybody else removes it only after a connection to it was refused; but A listened
 * before the name was there and listens for as long as it lives, and the kernel completes connections without A's help
 * (frozen, busy or out of descriptors), so none is refused. B therefore found the name, connected, and withdrew. Removing
 * by name is safe because names are 128 random bits, never used twice: a name found dead stays dead.
 *
 * *Progress.* Claimants that see each other all withdraw; each tries again after a random pause. An owner is told from a
 * claimant by its answer, so that nobody waits in vain for an owner.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from './system-code.js';

export interface DirectoryLock {
  /** Gives the directory up; call it when nothing is written any more. Once is enough, twice is fine. */
  release(): Promise<void>;
}

/** Somebody lives in the directory. The message names directory and, when it answered, owner. */
export class DirectoryLockedError extends Error {
  constructor(root: string, owner: string) {
    super(`LOG_DIR ${root} is in use by another logweir (${owner})`);
    this.name = 'DirectoryLockedError';
  }
}

/** No lock can be had there at all: no directory, no right, no room, no sockets. */
export class DirectoryUnusableError extends Error {
  constructor(root: string, cause: unknown) {
    const code = codeOf(cause);
    super(`LOG_DIR ${root} cannot be used: ${REASONS[code] ?? code}`, { cause });
    this.name = 'DirectoryUnusableError';
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied (EACCES)',
  EPERM: 'its file system does not hold unix sockets, or permission is denied (EPERM)',
  EOPNOTSUPP: 'its file system does not hold unix sockets (EOPNOTSUPP)',
  ENOTSUP: 'its file system does not hold unix sockets (ENOTSUP)',
  EROFS: 'its file system is read-only (EROFS)',
  ENOTDIR: 'it, or a part of its path, is not a directory (ENOTDIR)',
  ENOENT: 'it does not exist (ENOENT)',
  ENOSPC: 'the disk is full (ENOSPC)',
  EDQUOT: 'the disk quota is used up (EDQUOT)',
  ENAMETOOLONG: 'its path is too long for a unix socket on this system (ENAMETOOLONG)',
  EINVAL: 'its path is too long for a unix socket on this system (EINVAL)',
};

const NAME = /^LOCK\.[0-9a-f]{32}$/;
const UNFINISHED_NAME = /^LOCK\.[0-9a-f]{32}\.new$/;
const UNFINISHED_LEFTOVER_MS = 60_000;
const ANSWER_WAIT_MS = 1_000;
const ANSWER_BYTES_MAX = 4_096;
/** Against others that claim at the same instant, not against an owner. */
const ATTEMPTS = 8;
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 250;

/** What the holder of a lock answers to a connection: one line of JSON. */
interface Answer {
  readonly pid: number;
  readonly host: string;
  readonly since: string;
  /** False while it is still claiming and may withdraw. */
  readonly owns: boolean;
}

/**
 * Takes the directory, which must exist, for this process. The lock does not keep the process alive.
 * @throws DirectoryLockedError, DirectoryUnusableError
 */
export async function acquireDirectoryLock(root: string): Promise<DirectoryLock> {
  for (let attempt = 1; ; attempt++) {
    const claim = await Claim.make(root).catch((error: unknown) => {
      throw new DirectoryUnusableError(root, error);
    });
    try {
      const other = await claim.findLiving();
      if (other === null) {
        claim.own();
        return { release: () => claim.withdraw() };
      }
      await claim.withdraw();
      if (!other.mayWithdraw || attempt === ATTEMPTS) {
        throw new DirectoryLockedError(root, other.description);
      }
    } catch (error) {
      await claim.withdraw();
      throw error instanceof DirectoryLockedError ? error : new DirectoryUnusableError(root, error);
    }
    await sleep(randomInt(PAUSE_MIN_MS, PAUSE_MAX_MS + 1));
  }
}

interface Living {
  readonly description: string;
  readonly mayWithdraw: boolean;
}

/** One listening socket in the directory, from bind to withdrawal. */
class Claim {
  readonly #directory: FileHandle;
  readonly #base: string;
  readonly #name: string;
  readonly #server: Server;
  readonly #since = new Date().toISOString();
  readonly #asking = new Set<Socket>();
  #state: 'claiming' | 'owning' | 'withdrawn' = 'claiming';

  private constructor(root: string, directory: FileHandle) {
    this.#directory = directory;
    this.#base = socketBase(root, directory);
    this.#name = `LOCK.${randomBytes(16).toString('hex')}`;
    this.#server = createServer((socket) => this.#answer(socket));
    this.#server.unref();
  }

  static async make(root: string): Promise<Claim> {
    const directory = await open(root, constants.O_RDONLY | constants.O_DIRECTORY);
    const claim = new Claim(root, directory);
    try {
      await listen(claim.#server, claim.#path(`${claim.#name}.new`));
      // Whoever reads the name connects to a socket that listens already.
      await rename(claim.#path(`${claim.#name}.new`), claim.#path(claim.#name));
    } catch (error) {
      await claim.withdraw();
      throw error;
    }
    return claim;
  }

  own(): void {
    this.#state = 'owning';
  }

  /** The first other holder that lives; removes the dead ones it meets. */
  async findLiving(): Promise<Living | null> {
    let living: Living | null = null;
    for (const name of await readdir(this.#base)) {
      if (UNFINISHED_NAME.test(name)) {
        await this.#removeLeftover(name);
      }
      if (!NAME.test(name) || name === this.#name) {
        continue;
      }
      const found = await probe(this.#path(name));
      if (found === 'dead') {
        await this.#remove(name);
      } else if (living === null || !found.mayWithdraw) {
        living = found;
      }
    }
    return living;
  }

  async withdraw(): Promise<void> {
    if (this.#state === 'withdrawn') {
      return;
    }
    this.#state = 'withdrawn';
    // The name first: as long as it is there, somebody listens.
    await this.#remove(this.#name).catch(() => undefined);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#asking) {
      socket.destroy();
    }
    await closed;
    await this.#directory.close();
  }

  #answer(socket: Socket): void {
    const answer: Answer = {
      pid: process.pid,
      host: hostname(),
      since: this.#since,
      owns: this.#state === 'owning',
    };
    this.#asking.add(socket);
    socket.on('close', () => this.#asking.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(ANSWER_WAIT_MS, () => socket.destroy());
    socket.unref();
    socket.end(`${JSON.stringify(answer)}\n`);
    // A peer that closes must not be kept half open.
    socket.resume();
  }

  /** A process died between (a) and (b). One that was only paused for so long fails its rename and says so. */
  async #removeLeftover(name: string): Promise<void> {
    const stat = await lstat(this.#path(name)).catch(() => null);
    if (stat !== null && Date.now() - stat.mtimeMs > UNFINISHED_LEFTOVER_MS) {
      await this.#remove(name);
    }
  }

  async #remove(name: string): Promise<void> {
    await unlink(this.#path(name)).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') {
        throw error;
      }
    });
  }

  #path(name: string): string {
    return join(this.#base, name);
  }
}

/** An address of a unix socket has 107 bytes, LOG_DIR may have 4,095: on Linux the way there is an open descriptor. */
function socketBase(root: string, directory: FileHandle): string {
  return process.platform === 'linux' ? `/proc/self/fd/${directory.fd}` : root;
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Asks the holder of a lock. Only a refused connection and an absent name prove that it is dead. */
function probe(path: string): Promise<Living | 'dead'> {
  return new Promise((resolve) => {
    let answer = '';
    let accepted = false;
    const socket = connect({ path });
    const settle = (result: Living | 'dead'): void => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(result);
    };
    const deadline = setTimeout(
      () => settle({ description: 'it does not answer; it may be frozen', mayWithdraw: false }),
      ANSWER_WAIT_MS,
    );
    socket.on('connect', () => {
      accepted = true;
    });
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (answer.length > ANSWER_BYTES_MAX) {
        socket.destroy();
      }
    });
    socket.on('error', (error) => {
      const code = codeOf(error);
      if (accepted) {
        settle(livingOf(answer));
      } else if (code === 'ECONNREFUSED' || code === 'ENOENT') {
        settle('dead');
      } else {
        settle({ description: `it cannot be asked: ${code}`, mayWithdraw: false });
      }
    });
    socket.on('close', () => settle(livingOf(answer)));
  });
}

function livingOf(line: string): Living {
  try {
    const { pid, host, since, owns } = JSON.parse(line) as Answer;
    return { description: `pid ${pid} on host ${host}, since ${since}`, mayWithdraw: !owns };
  } catch {
    // Accepted, then closed without a word: it was about to withdraw, or to die.
    return { description: 'it closed without an answer', mayWithdraw: true };
  }
}

function codeOf(error: unknown): string {
  return systemCode(error) ?? 'UNKNOWN';
}
