import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { RedisServer } from '../support/redis.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import type { Agent } from './agent.js';
import { type Call, readCalls } from './call-log.js';
import { type Announced, entriesUnder, objections } from './oracle.js';
import { withFaults } from './preload.js';

/** Only processes die here, never the machine; a power cut is played. So a disk in memory will do, and its sync takes no time. */
const MEMORY_DISK = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
/** For what must happen sooner or later, on a busy machine. */
const PATIENCE_MS = 60_000;

export interface RigOptions {
  /** Announces on this Redis; without one nobody is told. */
  readonly redis?: RedisServer;
  readonly environment?: Readonly<Record<string, string>>;
  /** Another build of the server than dist/. */
  readonly binary?: string;
}

export interface StartOptions {
  /** Rules of faults.c. */
  readonly plan?: readonly string[];
  /** They are in force between closeGate() and openGate(), not always. */
  readonly gated?: boolean;
  /** The log of calls holds what was written. */
  readonly data?: boolean;
}

let opened = 0;

/** A LOG_DIR, servers over it one after the other, each with faults of its own, and what the oracle says in the end. */
export class Rig {
  readonly logDir: string;
  readonly #directory: string;
  readonly #options: RigOptions;
  readonly #redisKey = `rotations-${process.pid}-${++opened}`;
  readonly #servers: ServerProcess[] = [];
  #starts = 0;

  constructor(options: RigOptions = {}) {
    this.#directory = mkdtempSync(join(MEMORY_DISK, 'logweir-fault-'));
    this.logDir = join(this.#directory, 'logs');
    mkdirSync(this.logDir);
    this.#options = options;
  }

  /** @throws when it ends before it is ready; the message holds its log */
  async start({ plan = [], gated = false, data = false }: StartOptions = {}): Promise<ServerProcess> {
    const { redis, environment = {}, binary } = this.#options;
    this.#starts++;
    const faults = { prefix: this.logDir, plan, log: this.#callLog, data, ...(gated ? { gate: this.#gate } : {}) };
    const server = await startServer(
      {
        ...withFaults(faults),
        LOG_DIR: this.logDir,
        // A few lines: everything that happens to a segment happens often.
        LOG_MAX_SIZE_BYTES: '1500',
        LOG_COMPRESSION_WORKERS: '1',
        ...(redis === undefined ? {} : { REDIS_URL: redis.url, REDIS_KEY: this.#redisKey }),
        ...environment,
      },
      [],
      binary === undefined ? undefined : ['--enable-source-maps', binary, 'serve'],
    );
    this.#servers.push(server);
    return server;
  }

  /** Of the server that was started last. */
  calls(withData = false): Call[] {
    return readCalls(this.#callLog, withData);
  }

  /** The faults of a gated server come into force, … */
  closeGate(): void {
    writeFileSync(this.#gate, '');
  }

  /** … and end; what is stuck goes on. */
  openGate(): void {
    rmSync(this.#gate, { force: true });
  }

  /** Resolves when every sealed segment is finished and announced. @throws when that does not come */
  async settled(): Promise<void> {
    await until(
      () => this.#onTheirWay().length === 0,
      () => `still on their way: ${this.#onTheirWay().join(', ')}`,
    );
  }

  /** Resolves as `settled` does, to true, or to false when this server ends before that. */
  async settledUnlessGone(server: ServerProcess): Promise<boolean> {
    let gone = false;
    void server.ended.then(() => {
      gone = true;
    });
    await until(
      () => gone || this.#onTheirWay().length === 0,
      () => `still on their way: ${this.#onTheirWay().join(', ')}`,
    );
    return !gone;
  }

  /** What the oracle has against what is stored. */
  async objections(agent: Agent): Promise<string[]> {
    return objections(this.logDir, agent, await this.#announced());
  }

  /** Starts a server without faults, lets the agent finish, and asks the oracle. */
  async recover(agent: Agent, fresh = 2): Promise<string[]> {
    const server = await this.start();
    const { failures } = await agent.send(server.grpc, fresh);
    await this.settled();
    await server.end('SIGKILL');
    return [
      ...failures.map(({ details }) => `not acknowledged without a fault: ${details}`),
      ...(await this.objections(agent)),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.end('SIGKILL')));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #onTheirWay(): string[] {
    return entriesUnder(this.logDir, 'sealing', 'outbox');
  }

  get #callLog(): string {
    return join(this.#directory, `calls-${this.#starts}`);
  }

  get #gate(): string {
    return join(this.#directory, 'gate');
  }

  async #announced(): Promise<Announced[] | null> {
    const { redis } = this.#options;
    if (redis === undefined) {
      return null;
    }
    const client = new Redis(redis.url);
    const entries = await client.xrange(this.#redisKey, '-', '+');
    await client.quit();
    return entries.map(([, fields]) => {
      const field = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
      return { eventId: field('id'), content: JSON.parse(field('content')) as Announced['content'] };
    });
  }
}

/** Resolves when it holds. @throws what is said then, when it does not come to hold */
export async function until(holds: () => boolean | Promise<boolean>, otherwise: () => string): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; !(await holds()); await sleep(10)) {
    if (Date.now() > deadline) {
      throw new Error(otherwise());
    }
  }
}

/** Runs each, two at a time, as many as the machine of the tests has cores. */
export async function eachOfTwoAtOnce<T>(items: Iterable<T>, run: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = queue.next(); next.done !== true; next = queue.next()) {
      await run(next.value);
    }
  };
  await Promise.all([worker(), worker()]);
}
