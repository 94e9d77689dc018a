import { type Core, type CoreConfig, openCore } from '../../../src/core.js';
import { layoutOf } from '../../../src/segment/layout.js';
import { prepareDirectories } from '../../../src/segment/prepare-directories.js';
import { Recovery } from '../../../src/segment/recovery.js';
import { Metrics } from '../../../src/telemetry/metrics.js';
import type { Door } from './agent.js';
import type { Disk } from './disk.js';
import type { DiskWeather } from './disk-weather.js';
import type { PlantedBug } from './planted-bugs.js';
import type { Random } from './random.js';
import { ProcessClock, type Scheduler } from './scheduler.js';
import { SimulatedCompressor } from './simulated-compressor.js';
import { SimulatedFiles } from './simulated-files.js';
import { simulatedReader } from './simulated-reader.js';
import { SimulatedPublisher, type SimulatedRedis } from './simulated-redis.js';

/** Nothing looks at them here, and each would watch the garbage collector: one for all processes. */
const metrics = new Metrics({ version: 'simulation' });

/** What of the service's own log says that a promise was broken. */
const BROKEN = /is not what was written|manifest is damaged|record is not announced/;

export interface ServerSurroundings {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly disk: Disk;
  readonly weather: DiskWeather;
  readonly redis: SimulatedRedis;
  readonly config: CoreConfig;
  readonly bug: PlantedBug;
  readonly wallMs: () => number;
  /** How often, of 1, a compression ends the process. */
  readonly compressionCrashes: () => number;
  readonly violations: string[];
  readonly crash: () => void;
}

/** One life of the server, from its start until it is killed. */
export class ServerProcess {
  core: Core | null = null;
  readonly #around: ServerSurroundings;
  readonly #clock: ProcessClock;
  readonly #files: SimulatedFiles;
  #draining = false;
  #sampled = 0;

  constructor(around: ServerSurroundings) {
    const { scheduler, random, disk, weather, wallMs } = around;
    this.#around = around;
    this.#clock = new ProcessClock(scheduler, random, wallMs);
    this.#files = new SimulatedFiles({ disk, weather, random, clock: this.#clock });
  }

  get alive(): boolean {
    return this.#clock.alive;
  }

  /** Where agents bring their frames; null while there is none. */
  get door(): Door | null {
    const core = this.openCore;
    return core === null ? null : { newIntake: () => this.#around.bug.intake(core.sessions.newIntake()) };
  }

  /** What calls are for; null while none are taken. */
  get openCore(): Core | null {
    return this.#draining || !this.alive ? null : this.core;
  }

  /** As the service starts. @throws the error of the disk that stopped it */
  async start(): Promise<void> {
    const { random, disk, weather, redis, config, bug, violations } = this.#around;
    const files = bug.files(this.#files, disk);
    const access = { disk, weather, random, clock: this.#clock };
    const { compressionCrashes, crash } = this.#around;
    const compressor = new SimulatedCompressor(access, compressionCrashes(), crash, bug.threadDisk);
    await prepareDirectories(files, layoutOf(config.logDir));
    const core = await openCore(config, {
      files,
      clock: this.#clock,
      compressor: bug.compressor(compressor, disk),
      metrics,
      readLines: simulatedReader(access),
      random: random.next,
      // One second in two, so that seeds meet both; without a number of theirs.
      busyShare: () => (this.#sampled++ % 8 < 4 ? 1 : 0),
      publisher: new SimulatedPublisher(redis, this.#clock),
      logger: {
        debug: () => undefined,
        info: () => undefined,
        warn: () => undefined,
        error: (fields, message) => BROKEN.test(message) && violations.push(`${message} ${JSON.stringify(fields)}`),
        fatal: () => undefined,
      },
    });
    core.start();
    this.core = core;
  }

  /** Recovery and nothing else. @throws the error of the disk that stopped it */
  async recover(): Promise<void> {
    const { config, bug, disk } = this.#around;
    await new Recovery(bug.files(this.#files, disk), layoutOf(config.logDir), () => undefined).run();
  }

  /** SIGTERM. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.core?.drain();
  }

  /** Nothing of it runs any more; what it asked of the disk and was not done is not done. */
  kill(): void {
    this.#clock.alive = false;
  }
}
