/**
 * The process that makes the load. It encodes every frame before anything is measured; while the server is measured it only
 * hands slices of the prepared bytes to the kernel and reads acknowledgements.
 */
import { type FramePlan, framesOfStream, type PlannedFrame, plannedFrame } from './frame-plan.js';
import { BodyBuilder, type PreparedBody } from './http2-wire.js';
import type { LoadAnswer, LoadCommand, Peer, Replay, ReplayResult, Transport } from './load-protocol.js';
import { type PreparedMessages, peerProtocols, prepareMessages, replayMessages } from './peer-replay.js';
import { ReplayConnection, type TakeMessage } from './replay-connection.js';
import { loadLogService } from './repository.js';

const { WriteLogStream, WriteLogBatches } = loadLogService<PlannedFrame>({ longs: Number, defaults: true });

interface Load {
  /** By connection. */
  readonly bodies: readonly PreparedBody[][];
  protobufBytes: number;
}

const prepared = new Map<string, Load>();
/** By stream. */
const preparedForPeers = new Map<string, PreparedMessages[]>();

function prepare(plan: FramePlan, transport: Transport, connections: number): LoadAnswer {
  const load: Load = {
    bodies: Array.from({ length: Math.min(connections, plan.streams) }, (): PreparedBody[] => []),
    protobufBytes: 0,
  };
  for (let stream = 0; stream < plan.streams; stream++) {
    const bodies = load.bodies[stream % load.bodies.length] ?? [];
    const body = new BodyBuilder(1 + 2 * bodies.length, transport === 'batches');
    for (const message of transport === 'batches' ? batches(plan, stream) : frames(plan, stream)) {
      load.protobufBytes += message.length;
      body.append(message);
    }
    bodies.push(body.finish());
  }
  prepared.set(`${transport} ${plan.sessionPrefix}`, load);
  return { type: 'prepared', protobufBytes: load.protobufBytes };
}

function* frames(plan: FramePlan, stream: number): Generator<Buffer> {
  const count = framesOfStream(plan, stream);
  for (let index = 0; index < count; index++) {
    yield WriteLogStream.requestSerialize(plannedFrame(plan, stream, index));
  }
}

/** A burst each: what an agent has to say of one session. Ids count from 1. */
function* batches(plan: FramePlan, stream: number): Generator<Buffer> {
  const count = framesOfStream(plan, stream);
  for (let first = 0; first < count; first += plan.burst) {
    const length = Math.min(plan.burst, count - first);
    const burst = Array.from({ length }, (_, at) => plannedFrame(plan, stream, first + at));
    yield WriteLogBatches.requestSerialize({ batchId: 1 + first / plan.burst, frames: burst });
  }
}

function preparePeer(plan: FramePlan, peer: Peer): LoadAnswer {
  const streams = Array.from({ length: plan.streams }, (_, stream) =>
    prepareMessages(plan, stream, peerProtocols[peer]),
  );
  preparedForPeers.set(`${peer} ${plan.sessionPrefix}`, streams);
  return { type: 'prepared', protobufBytes: streams.reduce((sum, { bytes }) => sum + bytes.length, 0) };
}

async function replayPeer(peer: Peer, { sessionPrefix, port, inFlight }: Replay): Promise<LoadAnswer> {
  const streams = preparedForPeers.get(`${peer} ${sessionPrefix}`);
  if (streams === undefined) {
    throw new Error(`nothing is prepared under ${peer} ${sessionPrefix}`);
  }
  const wallSeconds = await replayMessages(streams, peerProtocols[peer], port, inFlight);
  const acknowledgements = streams.reduce((sum, { messageEnds }) => sum + messageEnds.length, 0);
  return { type: 'replayed', wallSeconds, durable: false, acknowledgements, ackMs: null };
}

async function replay(command: Replay): Promise<LoadAnswer> {
  const { transport, sessionPrefix, port, inFlight } = command;
  if (transport !== 'single' && transport !== 'batches') {
    return replayPeer(transport, command);
  }
  const load = prepared.get(`${transport} ${sessionPrefix}`);
  if (load === undefined) {
    throw new Error(`nothing is prepared under ${transport} ${sessionPrefix}`);
  }
  const { path } = transport === 'batches' ? WriteLogBatches : WriteLogStream;
  const tally = { acknowledgements: 0, durable: true };
  const take = transport === 'batches' ? takeAck(tally) : takeResponse(tally);
  const latencies: number[] = [];
  const connections = await Promise.all(load.bodies.map(() => ReplayConnection.open(port)));
  try {
    const begun = performance.now();
    await Promise.all(
      connections.map((connection, at) =>
        connection.replay(load.bodies[at] ?? [], { path, inFlight, take, latencies }),
      ),
    );
    const wallSeconds = (performance.now() - begun) / 1000;
    return { type: 'replayed', wallSeconds, ...tally, ackMs: percentiles(latencies) };
  } finally {
    for (const connection of connections) {
      connection.close();
    }
  }
}

interface Tally {
  acknowledgements: number;
  durable: boolean;
}

/** One response for the whole call. @throws when it does not acknowledge what its call sent */
function takeResponse(tally: Tally): TakeMessage {
  return (message, { messages }) => {
    const { framesReceived, status, durable = false } = WriteLogStream.responseDeserialize(message);
    if (framesReceived !== messages || status !== 'ACKNOWLEDGED') {
      throw new Error(`a call of ${messages} frames was answered "${status}" for ${framesReceived}`);
    }
    tally.acknowledgements++;
    tally.durable &&= durable;
    return messages;
  };
}

/** @throws when frames were refused, or taken for duplicates */
function takeAck(tally: Tally): TakeMessage {
  return (message) => {
    const { batchId, durable, rejected, duplicates } = WriteLogBatches.responseDeserialize(message);
    const [refused] = rejected;
    if (refused !== undefined || duplicates > 0) {
      throw new Error(`batch ${batchId}: ${refused?.reason ?? `${duplicates} frames were taken for duplicates`}`);
    }
    tally.acknowledgements++;
    tally.durable &&= durable;
    return batchId;
  };
}

function percentiles(latencies: readonly number[]): ReplayResult['ackMs'] {
  const sorted = latencies.toSorted((one, other) => one - other);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return sorted.length === 0 ? null : { p50: at(0.5), p99: at(0.99), max: at(1) };
}

async function answer(command: LoadCommand): Promise<LoadAnswer> {
  try {
    switch (command.type) {
      case 'prepare':
        return command.transport === 'single' || command.transport === 'batches'
          ? prepare(command.plan, command.transport, command.connections)
          : preparePeer(command.plan, command.transport);
      case 'forget':
        prepared.clear();
        preparedForPeers.clear();
        return { type: 'forgotten' };
      case 'replay':
        return await replay(command);
    }
  } catch (error) {
    return { type: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

process.on('message', (command: LoadCommand) => {
  void answer(command).then((given) => process.send?.(given));
});
