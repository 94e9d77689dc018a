import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface CuttingProxy {
  readonly port: number;
  /** How many replies were cut off. */
  readonly cuts: number;
  close(): Promise<void>;
}

/**
 * Forwards to a port on loopback. When a request holds `trigger`, it is forwarded, and the connection is reset after
 * `replyBytes` bytes of the reply: the server did what it was asked, and nobody hears of it. At most `cutsMax` times.
 */
export async function startCuttingProxy(options: {
  target: number;
  trigger: string;
  replyBytes: number;
  cutsMax: number;
}): Promise<CuttingProxy> {
  let cuts = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(options.target, '127.0.0.1');
    let left = Number.POSITIVE_INFINITY;
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(one);
          other.destroy();
        });
    }
    client.on('data', (request) => {
      if (cuts < options.cutsMax && request.includes(options.trigger)) {
        left = options.replyBytes;
      }
      upstream.write(request);
    });
    upstream.on('data', (reply) => {
      if (left > reply.length) {
        left -= reply.length;
        client.write(reply);
        return;
      }
      cuts += 1;
      client.write(reply.subarray(0, left), () => client.resetAndDestroy());
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    get cuts() {
      return cuts;
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
