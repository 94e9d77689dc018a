import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Where the n-th connection is cut, as bytes that got through in one direction; null: never. */
export interface Cut {
  readonly direction: 'to Redis' | 'from Redis';
  readonly afterBytes: number;
}

export interface OffsetProxy {
  readonly port: number;
  /** What got through on the newest connection that was not cut. */
  readonly passed: { readonly 'to Redis': number; readonly 'from Redis': number };
  /** The next connection is cut there, once. */
  cutNext(cut: Cut): void;
  /** Whether that cut was made. */
  readonly wasCut: boolean;
  /** Resets all connections. */
  reset(): void;
  close(): Promise<void>;
}

/** Forwards to a port on loopback, byte by byte as far as a cut is concerned: behind it both sides see a reset. */
export async function startOffsetProxy(target: number): Promise<OffsetProxy> {
  let next: Cut | null = null;
  let wasCut = false;
  let passed = { 'to Redis': 0, 'from Redis': 0 };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    const cut = next;
    next = null;
    const counts = { 'to Redis': 0, 'from Redis': 0 };
    passed = counts;
    const reset = (): void => {
      wasCut = true;
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    };
    for (const [from, to, direction] of [
      [client, upstream, 'to Redis'],
      [upstream, client, 'from Redis'],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('data', (bytes) => {
        const left = cut?.direction === direction ? cut.afterBytes - counts[direction] : Number.POSITIVE_INFINITY;
        const part = bytes.subarray(0, Math.max(0, left));
        counts[direction] += part.length;
        // The part arrives before the reset does.
        to.write(part, () => {
          if (part.length < bytes.length) {
            reset();
          }
        });
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    get passed() {
      return passed;
    },
    get wasCut() {
      return wasCut;
    },
    cutNext(cut) {
      next = cut;
      wasCut = false;
    },
    reset() {
      for (const socket of sockets) {
        socket.resetAndDestroy();
      }
    },
    async close() {
      for (const socket of sockets) {
        socket.destroy();
      }
      server.close();
      await once(server, 'close');
    },
  };
}
