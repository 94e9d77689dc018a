/**
 * The process that makes the load. It encodes every frame before anything is measured; while the server is measured it only
 * hands slices of the prepared bytes to the kernel.
 */
import { type FramePlan, framesOfStream, type PlannedFrame, plannedFrame } from './frame-plan.js';
import { BodyBuilder, type PreparedBody } from './http2-wire.js';
import type { LoadAnswer, LoadCommand } from './load-protocol.js';
import { ReplayConnection } from './replay-connection.js';
import { loadWriteLogStream, WRITE_LOG_STREAM_PATH } from './repository.js';

const { requestSerialize, responseDeserialize } = loadWriteLogStream<PlannedFrame>({ longs: Number, defaults: true });

/** Bodies by connection, by session prefix. */
const prepared = new Map<string, PreparedBody[][]>();

function prepare(plan: FramePlan, connections: number): LoadAnswer {
  const byConnection = Array.from({ length: Math.min(connections, plan.streams) }, (): PreparedBody[] => []);
  let protobufBytes = 0;
  for (let stream = 0; stream < plan.streams; stream++) {
    const bodies = byConnection[stream % byConnection.length] ?? [];
    const body = new BodyBuilder(1 + 2 * bodies.length);
    const frames = framesOfStream(plan, stream);
    for (let index = 0; index < frames; index++) {
      const message = requestSerialize(plannedFrame(plan, stream, index));
      protobufBytes += message.length;
      body.append(message);
    }
    bodies.push(body.finish());
  }
  prepared.set(plan.sessionPrefix, byConnection);
  return { type: 'prepared', protobufBytes };
}

async function replay(sessionPrefix: string, port: number): Promise<LoadAnswer> {
  const byConnection = prepared.get(sessionPrefix);
  if (byConnection === undefined) {
    throw new Error(`nothing is prepared under ${sessionPrefix}`);
  }
  const connections = await Promise.all(byConnection.map(() => ReplayConnection.open(port)));
  try {
    const begun = performance.now();
    const responses = await Promise.all(
      connections.map((connection, at) => connection.replay(WRITE_LOG_STREAM_PATH, byConnection[at] ?? [])),
    );
    const wallSeconds = (performance.now() - begun) / 1000;
    compare(byConnection.flat(), responses.flat());
    return { type: 'replayed', wallSeconds };
  } finally {
    for (const connection of connections) {
      connection.close();
    }
  }
}

/** @throws when a response does not acknowledge what its call sent */
function compare(bodies: readonly PreparedBody[], responses: readonly Buffer[]): void {
  for (const [at, body] of bodies.entries()) {
    const { framesReceived, status } = responseDeserialize(responses[at] ?? Buffer.alloc(0));
    if (framesReceived !== body.messages || status !== 'ACKNOWLEDGED') {
      throw new Error(`a call of ${body.messages} frames was answered "${status}" for ${framesReceived}`);
    }
  }
}

async function answer(command: LoadCommand): Promise<LoadAnswer> {
  try {
    return command.type === 'prepare'
      ? prepare(command.plan, command.connections)
      : await replay(command.sessionPrefix, command.port);
  } catch (error) {
    return { type: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

process.on('message', (command: LoadCommand) => {
  void answer(command).then((given) => process.send?.(given));
});
