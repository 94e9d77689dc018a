import { NO_BUG, type PlantedBug } from './planted-bugs.js';
import { World } from './world.js';

export interface Outcome {
  readonly seed: number;
  /** Empty: everything was as promised. */
  readonly violations: readonly string[];
  readonly events: number;
  readonly crashes: number;
  readonly faults: number;
  readonly frames: number;
  readonly acknowledged: number;
  readonly completed: number;
}

/** One seed's world, from its first event to the oracle. @param trace hears of every event */
export async function simulate(
  seed: number,
  bug: PlantedBug = NO_BUG,
  trace: ((line: string) => void) | null = null,
): Promise<Outcome> {
  const world = new World(seed, bug);
  world.scheduler.trace = trace;
  const stray: string[] = [];
  const heard = (error: unknown): void => void stray.push(`nobody handled ${String(error)}`);
  process.on('unhandledRejection', heard);
  const violations = await world.run().catch((error: unknown) => [`the simulation ended: ${String(error)}`]);
  process.off('unhandledRejection', heard);
  return {
    seed,
    violations: [...violations, ...stray],
    events: world.scheduler.events,
    crashes: world.crashes,
    faults: world.weather.faults,
    frames: world.journal.frames.size,
    acknowledged: world.journal.acknowledged,
    completed: world.journal.completed,
  };
}
