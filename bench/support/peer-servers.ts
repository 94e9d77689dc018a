/** The peers, each as its own experts would run it for this work: in a directory of its own, on one port. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePorts } from './contenders.js';
import type { Peer } from './load-protocol.js';
import { natsRequest } from './nats-client.js';
import { NodeChild } from './node-child.js';

const READY_DEADLINE_MS = 30_000;
const READY_POLL_MS = 20;
/** More than any bench has sessions. */
const DYNAFILE_CACHE = 20_000;

export interface RunningPeer {
  readonly child: NodeChild;
  readonly port: number;
}

interface Program {
  readonly command: string;
  readonly versionArgument: string;
}

const RSYSLOG: Program = { command: 'rsyslogd', versionArgument: '-v' };
const PROGRAMS: Readonly<Record<Peer, Program>> = {
  rsyslog: RSYSLOG,
  relp: RSYSLOG,
  redis: { command: 'redis-server', versionArgument: '--version' },
  nats: { command: 'nats-server', versionArgument: '--version' },
};

/** Its version, in its own words; null when it is not installed. */
export function peerVersion(peer: Peer): string | null {
  const { command, versionArgument } = PROGRAMS[peer];
  if (peer === 'relp' && !hasRelpModule()) {
    return null;
  }
  try {
    const words = execFileSync(command, [versionArgument], { encoding: 'utf8' }).split('\n')[0] ?? '';
    return /\d+\.\d+\.\d+/.exec(words)?.[0] ?? words;
  } catch {
    return null;
  }
}

/** A package of its own. Debian keeps modules below the name of the machine's architecture. */
function hasRelpModule(): boolean {
  return ['', ...readdirSync('/usr/lib')].some((name) => existsSync(join('/usr/lib', name, 'rsyslog/imrelp.so')));
}

export async function startPeer(peer: Peer, directory: string, cores: string | null): Promise<RunningPeer> {
  const [port] = await freePorts();
  const command = argumentsOf(peer, directory, port);
  const child = new NodeChild({ program: PROGRAMS[peer].command, command, cores });
  try {
    await child.while(listening(port));
    if (peer === 'nats') {
      const stream = { name: 'logs', subjects: ['logs.>'], storage: 'file', retention: 'limits', num_replicas: 1 };
      await child.while(natsRequest(port, '$JS.API.STREAM.CREATE.logs', JSON.stringify(stream)));
    }
  } catch (error) {
    child.kill();
    throw error;
  }
  return { child, port };
}

function argumentsOf(peer: Peer, directory: string, port: number): string[] {
  switch (peer) {
    case 'rsyslog':
    case 'relp': {
      const file = join(directory, 'rsyslog.conf');
      mkdirSync(join(directory, 'out'), { recursive: true });
      writeFileSync(file, rsyslogConfiguration(peer, directory, port));
      return ['-n', '-f', file, '-i', join(directory, 'rsyslog.pid')];
    }
    case 'redis':
      return [
        ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', ''],
        ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0'],
      ];
    case 'nats': {
      const file = join(directory, 'nats.conf');
      // The check reads everything at once, after the measurement: it must not count as a slow consumer.
      writeFileSync(
        file,
        `host: 127.0.0.1\nport: ${port}\nmax_pending: 2GB\njetstream { store_dir: "${directory}" }\n`,
      );
      return ['-c', file];
    }
  }
}

/** One worker for the queue: several would change the order of a session's lines. */
function rsyslogConfiguration(peer: 'rsyslog' | 'relp', directory: string, port: number): string {
  const input =
    peer === 'relp'
      ? [
          'module(load="imrelp")',
          `input(type="imrelp" port="${port}" address="127.0.0.1" ruleset="store" maxDataSize="64k")`,
        ]
      : [
          'module(load="imptcp" threads="2")',
          `input(type="imptcp" port="${port}" address="127.0.0.1" ruleset="store")`,
        ];
  const property = (outname: string, name: string, more = ''): string =>
    `  property(outname="${outname}" name="${name}" format="jsonf"${more})`;
  return `${[
    `global(workDirectory="${directory}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off" parser.dropTrailingLFOnReception="off")`,
    `template(name="file" type="string" string="${directory}/out/%app-name%.ndjson")`,
    'template(name="line" type="list" option.jsonf="on") {',
    property('time', 'timereported', ' dateFormat="rfc3339"'),
    property('session_id', 'app-name'),
    property('user_id', 'procid'),
    property('role', 'msgid'),
    property('metadata', 'structured-data'),
    property('content', 'msg'),
    '}',
    'ruleset(name="store" queue.type="FixedArray" queue.size="200000" queue.dequeueBatchSize="4096" queue.workerThreads="1") {',
    `  action(type="omfile" dynaFile="file" template="line" dynaFileCacheSize="${DYNAFILE_CACHE}" ioBufferSize="64k" flushOnTXEnd="on")`,
    '}',
    ...input,
  ].join('\n')}\n`;
}

async function listening(port: number): Promise<void> {
  const deadline = performance.now() + READY_DEADLINE_MS;
  while (!(await isListening(port))) {
    if (performance.now() > deadline) {
      throw new Error(`nobody listens on port ${port} after ${READY_DEADLINE_MS / 1000} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
