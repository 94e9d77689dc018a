import type { CoreConfig } from '../../../src/core.js';
import { Agent, type Numbering } from './agent.js';
import { Completer } from './completer.js';
import { Disk } from './disk.js';
import { DiskWeather } from './disk-weather.js';
import { Journal } from './journal.js';
import { violationsOf } from './oracle.js';
import type { PlantedBug } from './planted-bugs.js';
import { Random } from './random.js';
import { Scheduler } from './scheduler.js';
import { ServerProcess } from './server-process.js';
import { SimulatedRedis } from './simulated-redis.js';

const EVENTS_MAX = 60_000;
const SHARED_SESSIONS: readonly [string, ...string[]] = ['s1', 's/2'];

/**
 * Agents, a server, its disk and Redis, from one seed: a stormy time with crashes, then a calm one in which
 * everything has to be finished, and the oracle.
 */
export class World {
  readonly scheduler = new Scheduler();
  readonly journal = new Journal();
  readonly weather: DiskWeather;
  /** Kills and power cuts. */
  crashes = 0;
  readonly #random: Random;
  readonly #disk: Disk;
  readonly #redis: SimulatedRedis;
  readonly #agents: Agent[];
  readonly #completer: Completer;
  readonly #config: CoreConfig;
  readonly #bug: PlantedBug;
  readonly #crashGapEvents: number;
  #crashesLeft: number;
  /** Events until the next crash. */
  #fuse = 0;
  #wallOffsetMs = Date.UTC(2026, 10, 21, 10);
  #server: ServerProcess | null = null;

  constructor(seed: number, bug: PlantedBug) {
    const random = new Random(seed);
    this.#random = random;
    this.#bug = bug;
    this.#disk = new Disk(random.chance(0.3));
    this.weather = new DiskWeather(new Random(random.between(0, 2 ** 31)));
    this.#redis = new SimulatedRedis(new Random(random.between(0, 2 ** 31)));
    this.#config = randomConfig(random);
    this.#agents = this.#randomAgents();
    this.#completer = new Completer({
      scheduler: this.scheduler,
      random: new Random(random.between(0, 2 ** 31)),
      journal: this.journal,
      core: () => this.#server?.openCore ?? null,
      sessions: [...SHARED_SESSIONS, ...this.#agents.map((_, index) => `own-${index}`)],
    });
    this.#crashesLeft = random.pick([0, 1, 2, 3, 5, 8]);
    this.#crashGapEvents = random.pick([20, 100, 400]);
    this.#lightFuse();
  }

  /** Resolves to everything that was not as promised. */
  async run(): Promise<string[]> {
    this.#start(0);
    this.#changeWeather();
    await this.#until(() => this.#crashesLeft === 0 && this.#allTold, EVENTS_MAX / 2);
    this.#crashesLeft = 0;
    this.weather.heal();
    this.#redis.healed = true;
    await this.#finish('what was sent');
    this.#checkMemory();
    // What is finished must stay so: a last power cut, and another life.
    this.#end(true);
    await this.#finish('what the last power cut left');
    await this.#recoverAgain();
    const stored = this.#disk.snapshot();
    return [
      ...this.journal.violations,
      ...this.#redis.violations,
      ...violationsOf(stored, this.journal, this.#redis.events),
    ];
  }

  #randomAgents(): Agent[] {
    const random = this.#random;
    return Array.from({ length: random.between(1, 4) }, (_, index) => {
      const numbering = random.pick<Numbering>(['client', 'producer', 'producer', 'assigned']);
      return new Agent({
        scheduler: this.scheduler,
        random: new Random(random.between(0, 2 ** 31)),
        journal: this.journal,
        door: () => this.#server?.door ?? null,
        calm: () => this.weather.healed,
        name: `a${index}`,
        numbering,
        sessions: numbering === 'client' ? [`own-${index}`] : SHARED_SESSIONS,
        frames: random.between(1, 40),
      });
    });
  }

  #start(delayMs: number): void {
    this.scheduler.after(delayMs, 'start', () => {
      if (this.#random.chance(0.1)) {
        this.#wallOffsetMs += this.#random.between(-7_200_000, 7_200_000);
      }
      const server = this.#newServer();
      this.#server = server;
      void this.#startOf(server).catch((error: unknown) => {
        this.scheduler.trace?.(`start failed: ${String(error)}`);
        // It says why, and ends; whoever watches it starts it again.
        if (this.#server === server) {
          this.#end(false);
        }
      });
    });
  }

  async #startOf(server: ServerProcess): Promise<void> {
    if (this.#random.chance(0.2)) {
      await server.recover();
      const once = this.#disk.snapshot();
      await server.recover();
      this.#expectSame(once, this.#disk.snapshot());
    }
    await server.start();
  }

  #newServer(): ServerProcess {
    return new ServerProcess({
      scheduler: this.scheduler,
      random: this.#random,
      disk: this.#disk,
      weather: this.weather,
      redis: this.#redis,
      config: this.#config,
      bug: this.#bug,
      wallMs: () => this.#wallOffsetMs + this.scheduler.nowMs,
      compressionCrashes: () => (this.#crashesLeft > 0 ? 0.1 : 0),
      violations: this.journal.violations,
      crash: () => this.#crash(this.#random.chance(0.5)),
    });
  }

  #lightFuse(): void {
    this.#fuse = this.#random.between(1, this.#crashGapEvents);
  }

  #changeWeather(): void {
    this.scheduler.after(this.#random.between(50, 3000), 'weather', () => {
      this.weather.change();
      this.#changeWeather();
    });
  }

  /** One more event, and perhaps a crash after it. */
  async #step(): Promise<void> {
    await this.scheduler.step();
    if (this.#crashesLeft > 0 && --this.#fuse <= 0 && this.#server?.alive === true) {
      if (this.#random.chance(0.15)) {
        this.#terminate();
      } else {
        this.#crash(this.#random.chance(0.6));
      }
    }
  }

  async #until(condition: () => boolean, eventsMax: number): Promise<boolean> {
    for (let events = 0; events < eventsMax; events++) {
      if (condition()) {
        return true;
      }
      await this.#step();
    }
    return false;
  }

  #crash(power: boolean): void {
    this.#crashesLeft--;
    this.crashes++;
    this.#lightFuse();
    this.#end(power);
  }

  /** SIGTERM; a crash may come before it is through. */
  #terminate(): void {
    const server = this.#server;
    this.#crashesLeft--;
    this.#lightFuse();
    this.scheduler.trace?.('SIGTERM');
    this.#disconnect();
    void server?.drain().then(() => {
      if (this.#server === server) {
        this.#end(false);
      }
    });
  }

  #end(power: boolean): void {
    this.scheduler.trace?.(power ? 'POWER CUT' : 'KILLED');
    this.#server?.kill();
    this.#server = null;
    this.#disconnect();
    if (power) {
      this.#disk.powerCut(this.#random);
    }
    this.#start(this.#random.between(1, 1000));
  }

  get #allTold(): boolean {
    return this.#agents.every(({ done }) => done) && this.#completer.done;
  }

  #disconnect(): void {
    this.#completer.disconnect();
    for (const agent of this.#agents) {
      agent.disconnect();
    }
  }

  async #finish(what: string): Promise<void> {
    const finished = (): boolean => {
      const core = this.#server?.core;
      return (
        core != null &&
        this.#allTold &&
        core.sessions.registry.size === 0 &&
        core.pipeline.queueLength === 0 &&
        core.pipeline.pendingCompletions === 0 &&
        core.outbox?.depth === 0
      );
    };
    if (!(await this.#until(finished, EVENTS_MAX))) {
      const left = [...this.#disk.snapshot().keys()].filter((path) => /\/(?:active|sealing|outbox)\/./.test(path));
      const waiting = this.#agents.filter(({ done }) => !done).length;
      this.journal.violations.push(
        `${what} was never finished: ${waiting} agents wait, ${left.slice(0, 10).join(' ')}`,
      );
    }
  }

  #checkMemory(): void {
    const sessions = this.#server?.core?.sessions;
    if (sessions !== undefined && (sessions.queueBytes !== 0 || sessions.openFiles !== 0)) {
      this.journal.violations.push(`at rest ${sessions.queueBytes} bytes and ${sessions.openFiles} files are held`);
    }
  }

  async #recoverAgain(): Promise<void> {
    const once = this.#disk.snapshot();
    this.#server?.kill();
    const server = this.#newServer();
    let done = false;
    void server.recover().finally(() => {
      done = true;
    });
    await this.#until(() => done, 1000);
    this.#expectSame(once, this.#disk.snapshot());
  }

  #expectSame(once: ReadonlyMap<string, Buffer>, twice: ReadonlyMap<string, Buffer>): void {
    for (const path of new Set([...once.keys(), ...twice.keys()])) {
      if (twice.get(path)?.equals(once.get(path) ?? Buffer.from('absent')) !== true) {
        this.journal.violations.push(`a second recovery changed ${path}`);
      }
    }
  }
}

function randomConfig(random: Random): CoreConfig {
  const tight = random.chance(0.3);
  return {
    logDir: '/logs',
    maxSegmentBytes: random.pick([400, 1500, 6000]),
    maxSegmentAgeSeconds: random.pick([2, 60]),
    idleSeconds: random.pick([1, 3]),
    flushIntervalMs: random.pick([20, 200]),
    fsync: 'ack',
    compression: random.chance(0.8) ? 'gzip' : 'none',
    gzipLevel: 1,
    compressionWorkers: random.between(1, 2),
    maxFrameBytes: 1 << 20,
    maxQueueBytes: tight ? 2000 : 1 << 28,
    maxSessionQueueBytes: tight ? 1000 : 1 << 23,
    maxOpenFiles: random.pick([1, 2, 100]),
  };
}
