/** Environment → one frozen, validated Config, and the only place that reads process.env. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseEnv } from 'node:util';
import type { Surroundings, Variable } from './config-variable.js';
import { variables } from './config-variables.js';
import { descriptorsForUse } from './connection-variables.js';
import { suggestName } from './edit-distance.js';

export interface Config {
  readonly logDir: string;
  readonly maxSegmentBytes: number;
  readonly maxSegmentAgeSeconds: number;
  readonly idleSeconds: number;
  readonly flushIntervalMs: number;
  readonly fsync: 'ack' | 'never';
  readonly compression: 'gzip' | 'none';
  readonly gzipLevel: number;
  readonly compressionWorkers: number;
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
  readonly maxSessionQueueBytes: number;
  readonly maxOpenFiles: number;
  readonly retentionSeconds: number;
  readonly retentionBytes: number;
  readonly grpcHost: string;
  readonly grpcPort: number;
  readonly httpHost: string;
  readonly httpPort: number;
  readonly maxConnections: number;
  readonly maxHttpConnections: number;
  readonly maxStreams: number;
  readonly maxReaders: number;
  readonly maxStreamsPerConnection: number;
  readonly maxMetadataBytes: number;
  readonly maxReceiveBytes: number;
  readonly handshakeSeconds: number;
  readonly keepaliveSeconds: number;
  readonly keepaliveTimeoutSeconds: number;
  /** 0: no limit, here and below. */
  readonly firstFrameSeconds: number;
  readonly streamIdleSeconds: number;
  readonly connectionIdleSeconds: number;
  readonly connectionAgeSeconds: number;
  readonly connectionAgeGraceSeconds: number;
  /** Null: nothing is announced. */
  readonly redisUrl: string | null;
  readonly redisMode: 'stream' | 'list' | 'pubsub';
  readonly redisKey: string;
  readonly redisFormat: 'json' | 'msgpack';
  readonly shutdownDeadlineSeconds: number;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
}

/**
 * Message: every problem on a line of its own, with the variable, its value (secrets masked) and what is allowed; below
 * them the `hints`, names that look misspelled.
 */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[], hints: readonly string[] = []) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    super([`the configuration has ${count}:`, ...problems, ...hints].join('\n  '));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** The environment of this process, as it was started. */
export function processEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}

/**
 * In development, `env` completed from the `.env` file of `cwd`; what the real environment sets wins. With
 * NODE_ENV=production, or without such a file, `env` itself.
 */
export function developmentEnvironment(env: NodeJS.ProcessEnv, cwd: string = process.cwd()): NodeJS.ProcessEnv {
  if (env['NODE_ENV'] === 'production') {
    return env;
  }
  const path = `${cwd}/.env`;
  const text = textOfFile(path);
  if (text === null) {
    return env;
  }
  const fromFile = parseEnv(text);
  const completed = { ...fromFile, ...env };
  const names = Object.keys(fromFile).filter((name) => env[name] === undefined);
  filesBehind.set(completed, { path, names });
  return completed;
}

/** Which variables of an environment come from a file, for messages: there the mistake is to be mended. */
const filesBehind = new WeakMap<NodeJS.ProcessEnv, { readonly path: string; readonly names: readonly string[] }>();

/** Only these variables of `env`. */
export function subsetOf(env: NodeJS.ProcessEnv, names: readonly string[]): NodeJS.ProcessEnv {
  const subset = Object.fromEntries(names.map((name) => [name, env[name]]));
  const file = filesBehind.get(env);
  if (file !== undefined) {
    filesBehind.set(subset, file);
  }
  return subset;
}

function sourceOf(name: string, env: NodeJS.ProcessEnv): string {
  const file = filesBehind.get(env);
  return file?.names.includes(name) === true ? ` (in ${file.path})` : '';
}

/** @throws ConfigError naming every problem at once. An empty variable counts as unset. */
export function readConfig(env: NodeJS.ProcessEnv, surroundings: Surroundings = surroundingsOfProcess()): Config {
  const problems: string[] = [];
  const values: Partial<Record<keyof Config, Config[keyof Config]>> = {};
  for (const variable of variables) {
    const text = env[variable.name] === '' ? undefined : env[variable.name];
    const result = variable.schema(surroundings).safeParse(text);
    if (result.success) {
      values[variable.field] = result.data;
    } else {
      const shown = JSON.stringify(variable.mask(text ?? ''));
      const source = sourceOf(variable.name, env);
      problems.push(`${variable.name} is ${shown}${source}; allowed: ${variable.allowed(surroundings)}`);
    }
  }
  const partial = values as Partial<Config>;
  problems.push(...contradictions(partial), ...tooManyDescriptors(partial, surroundings));
  if (problems.length > 0) {
    throw new ConfigError(problems, unknownVariables(env));
  }
  // The list has one variable for each field (config.test.ts counts them), and all of them passed.
  return Object.freeze(partial as Config);
}

/** Problems between two fields that are fine by themselves; a field that did not pass is not there. */
function contradictions(values: Partial<Config>): string[] {
  const problems: string[] = [];
  const atMost = (smaller: keyof Config, greater: keyof Config): void => {
    const [low, high] = [values[smaller], values[greater]];
    if (typeof low === 'number' && typeof high === 'number' && low > high) {
      problems.push(`${nameOf(smaller)} is ${low}; allowed: at most ${nameOf(greater)}, which is ${high}`);
    }
  };
  atMost('maxFrameBytes', 'maxSessionQueueBytes');
  atMost('maxSessionQueueBytes', 'maxQueueBytes');
  const { grpcHost, grpcPort, httpHost, httpPort } = values;
  if (httpPort !== undefined && httpPort !== 0 && httpPort === grpcPort && httpHost === grpcHost) {
    problems.push(`HTTP_PORT is ${httpPort}; allowed: another port than GRPC_PORT, which is ${grpcPort}`);
  }
  return problems;
}

/** Connections must never take the descriptors that the segments need. */
function tooManyDescriptors(values: Partial<Config>, surroundings: Surroundings): string[] {
  const users = ['maxOpenFiles', 'maxConnections', 'maxHttpConnections'] as const;
  const counts = users.map((field) => values[field]);
  const most = descriptorsForUse(surroundings);
  const sum = counts.reduce<number>((total, count) => total + (count ?? 0), 0);
  if (sum <= most || counts.includes(undefined)) {
    return [];
  }
  const named = users.map((field, index) => `${nameOf(field)} (${counts[index]})`).join(', ');
  return [`${named} add up to ${sum}; allowed: at most ${most}, as many descriptors as this process may use`];
}

function nameOf(field: keyof Config): string {
  return variables.find((variable) => variable.field === field)?.name ?? field;
}

/** What is in force, by variable, secrets masked; `null` is unset. */
export function describeConfig(config: Config): { name: string; value: string | number | null }[] {
  return variables.map((variable: Variable) => {
    const value = config[variable.field];
    return { name: variable.name, value: typeof value === 'string' ? variable.mask(value) : value };
  });
}

const OUR_PREFIX = /^(?:LOG|GRPC|HTTP|REDIS|SHUTDOWN)_/;

/**
 * One sentence for each variable that looks like a misspelled one of ours. Not an error: others use these prefixes, too
 * (HTTP_PROXY, GRPC_VERBOSITY, REDIS_PORT_6379_TCP of Kubernetes), so only near misses count.
 */
export function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = variables.map((variable) => variable.name);
  return Object.keys(env)
    .filter((name) => OUR_PREFIX.test(name) && !known.includes(name))
    .flatMap((name) => {
      const suggestion = suggestName(name, known);
      return suggestion === null
        ? []
        : [`${name}${sourceOf(name, env)} is not a variable of logweir; did you mean ${suggestion}?`];
    });
}

export interface ClientConfig {
  /** `host:port` of the server's gRPC port. */
  readonly server: string;
}

const SERVER = /^(?:(?:dns:\/\/\/)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})|unix:.+)$/;
const ANY_ADDRESS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** For the client commands: LOGWEIR_SERVER, else what GRPC_HOST and GRPC_PORT say. @throws ConfigError */
export function readClientConfig(env: NodeJS.ProcessEnv): ClientConfig {
  const server = env['LOGWEIR_SERVER'];
  if (server !== undefined && server !== '') {
    const port = Number(SERVER.exec(server)?.[1] ?? (server.startsWith('unix:') ? 1 : 0));
    if (!SERVER.test(server) || port < 1 || port > 65_535) {
      const source = sourceOf('LOGWEIR_SERVER', env);
      throw new ConfigError([`LOGWEIR_SERVER is ${JSON.stringify(server)}${source}; allowed: host:port`]);
    }
    return { server };
  }
  const ofGrpc = subsetOf(env, ['GRPC_HOST', 'GRPC_PORT']);
  // Whatever the other port is, it is no business of a client.
  ofGrpc['HTTP_PORT'] = '0';
  const { grpcHost, grpcPort } = readConfig(ofGrpc);
  if (grpcPort === 0) {
    throw new ConfigError(['GRPC_PORT is "0"; allowed: the port of a running server, or set LOGWEIR_SERVER=host:port']);
  }
  const host = ANY_ADDRESS[grpcHost] ?? grpcHost;
  return { server: host.includes(':') ? `[${host}]:${grpcPort}` : `${host}:${grpcPort}` };
}

function surroundingsOfProcess(): Surroundings {
  return { cwd: process.cwd(), cores: availableParallelism(), openFilesMax: openFilesLimit() };
}

/** The soft limit; Node has raised it to the hard one at its start. 1024 where there is no /proc. */
function openFilesLimit(): number {
  const soft = /^Max open files\s+(\S+)/m.exec(textOfFile('/proc/self/limits') ?? '')?.[1] ?? '1024';
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

/** Null when there is no such file. */
function textOfFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      return null;
    }
    throw new ConfigError([`${path} cannot be read (${code})`]);
  }
}
