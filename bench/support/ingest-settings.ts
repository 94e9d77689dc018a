/** The command line of `bench/ingest.ts`. */
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CONTENDERS, type Contender } from './contenders.js';
import { findPinning, type Pinning } from './process-figures.js';

const SMOKE_FRAMES = 2000;

export interface IngestSettings {
  readonly frames: number;
  readonly warmupFrames: number;
  readonly sessions: readonly number[];
  readonly streams: number;
  readonly connections: number;
  readonly runs: number;
  readonly seed: number;
  readonly contenders: readonly Contender[];
  readonly compression: 'none' | 'gzip';
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly profileDirectory: string | null;
  readonly pinning: Pinning | null;
  readonly jsonFile: string | null;
  readonly smoke: boolean;
}

export function readIngestSettings(args: readonly string[]): IngestSettings {
  const { values } = parseArgs({
    args: [...args],
    options: {
      frames: { type: 'string' },
      warmup: { type: 'string' },
      sessions: { type: 'string', default: '10,1000' },
      streams: { type: 'string', default: '8' },
      connections: { type: 'string', default: '4' },
      runs: { type: 'string' },
      seed: { type: 'string', default: '1' },
      servers: { type: 'string', default: CONTENDERS.join(',') },
      compression: { type: 'string', default: 'none' },
      // Further variables of the server, NAME=VALUE.
      env: { type: 'string', multiple: true, default: [] },
      // Where the LOG_DIRs are made.
      dir: { type: 'string', default: tmpdir() },
      'cpu-prof': { type: 'string' },
      json: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      'no-pin': { type: 'boolean', default: false },
    },
  });
  const { smoke } = values;
  return {
    frames: count('frames', values.frames ?? (smoke ? String(SMOKE_FRAMES) : '1000000')),
    warmupFrames: count('warmup', values.warmup ?? (smoke ? '100' : '50000')),
    sessions: values.sessions.split(',').map((text) => count('sessions', text)),
    streams: count('streams', values.streams),
    connections: count('connections', values.connections),
    runs: count('runs', values.runs ?? (smoke ? '1' : '3')),
    seed: count('seed', values.seed),
    contenders: values.servers.split(',').map((text) => oneOf('servers', CONTENDERS, text)),
    compression: oneOf('compression', ['none', 'gzip'], values.compression),
    environment: Object.fromEntries(values.env.map(variable)),
    directory: resolve(values.dir),
    profileDirectory: values['cpu-prof'] === undefined ? null : resolve(values['cpu-prof']),
    pinning: values['no-pin'] ? null : findPinning(),
    jsonFile: values.json === undefined ? null : resolve(values.json),
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

function oneOf<const Choice extends string>(name: string, choices: readonly Choice[], text: string): Choice {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) {
    throw new Error(`--${name} takes ${choices.join(', ')}, not "${text}"`);
  }
  return choice;
}

function variable(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1) {
    throw new Error(`--env takes NAME=VALUE, not "${text}"`);
  }
  return [text.slice(0, equals), text.slice(equals + 1)];
}
