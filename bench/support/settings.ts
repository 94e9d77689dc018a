/** The command line of `npm run bench`. */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findPinning, type Pinning } from './process-figures.js';
import { REPOSITORY } from './repository.js';

const SMOKE_FRAMES = 2000;

export interface BenchSettings {
  /** Names of groups, in the order to be measured; empty for all. */
  readonly groups: readonly string[];
  readonly frames: number;
  readonly warmupFrames: number;
  /** Session counts of the groups that vary them; null: each group's own. */
  readonly sessions: readonly number[] | null;
  readonly streams: number;
  readonly connections: number;
  /** Batches of a stream that may wait for their acknowledgement. */
  readonly inFlight: number;
  readonly runs: number;
  readonly seed: number;
  /** Only these servers; null for all. */
  readonly servers: readonly string[] | null;
  /** Further variables of logweir. */
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly profileDirectory: string | null;
  readonly pinning: Pinning | null;
  readonly jsonFile: string;
  readonly smoke: boolean;
}

export function readSettings(args: readonly string[]): BenchSettings {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      frames: { type: 'string' },
      warmup: { type: 'string' },
      sessions: { type: 'string' },
      streams: { type: 'string', default: '8' },
      connections: { type: 'string', default: '4' },
      'in-flight': { type: 'string', default: '32' },
      runs: { type: 'string' },
      seed: { type: 'string', default: '1' },
      servers: { type: 'string' },
      env: { type: 'string', multiple: true, default: [] },
      // Where the LOG_DIRs are made.
      dir: { type: 'string', default: tmpdir() },
      'cpu-prof': { type: 'string' },
      json: { type: 'string', default: join(REPOSITORY, 'node_modules/.cache/bench/result.json') },
      smoke: { type: 'boolean', default: false },
      'server-cores': { type: 'string' },
      'generator-cores': { type: 'string' },
      'no-pin': { type: 'boolean', default: false },
    },
  });
  const { smoke } = values;
  const pinning = values['no-pin'] ? null : findPinning();
  return {
    groups: positionals,
    frames: count('frames', values.frames ?? (smoke ? String(SMOKE_FRAMES) : '1000000')),
    warmupFrames: count('warmup', values.warmup ?? (smoke ? '100' : '500000')),
    sessions: values.sessions?.split(',').map((text) => count('sessions', text)) ?? null,
    streams: count('streams', values.streams),
    connections: count('connections', values.connections),
    inFlight: count('in-flight', values['in-flight']),
    runs: count('runs', values.runs ?? (smoke ? '1' : '5')),
    seed: count('seed', values.seed),
    servers: values.servers?.split(',') ?? null,
    environment: Object.fromEntries(values.env.map(variable)),
    directory: resolve(values.dir),
    profileDirectory: values['cpu-prof'] === undefined ? null : resolve(values['cpu-prof']),
    pinning:
      pinning === null
        ? null
        : {
            server: values['server-cores'] ?? pinning.server,
            generator: values['generator-cores'] ?? pinning.generator,
          },
    jsonFile: resolve(values.json),
    smoke,
  };
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Error(`--${name} takes whole numbers from 1, not "${text}"`);
  }
  return value;
}

function variable(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1) {
    throw new Error(`--env takes NAME=VALUE, not "${text}"`);
  }
  return [text.slice(0, equals), text.slice(equals + 1)];
}
