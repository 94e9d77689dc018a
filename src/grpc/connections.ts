import { lookup } from 'node:dns/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../segment/clock.js';

/** Its preface and an empty SETTINGS frame: what every HTTP/2 client sends first. */
const HANDSHAKE_BYTES = 24 + 9;
/** A peer that was sent the end of the connection has this long to end its side. */
const LINGER_MS = 5000;

export interface ConnectionsOptions {
  readonly max: number;
  readonly handshakeMs: number;
  readonly clock: Clock;
  /** Takes over a connection. */
  readonly accept: (socket: Socket) => void;
  readonly refused: (reason: 'limit' | 'handshake') => void;
}

/**
 * The TCP connections of the gRPC server.
 *
 * *Rule*: never more than `max`, so that they take no descriptors from the segments; each ends, whatever its peer does: one that
 * does not begin to speak HTTP/2 by the handshake's deadline, and one that leaves its side open after ours was closed.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#sockets.size;
  }

  /**
   * Listens on every address of `host`, on the same port.
   * @returns the port. @throws when no address can be had
   */
  async listen(host: string, port: number): Promise<number> {
    const addresses = await lookup(host, { all: true });
    let error: unknown = new Error('no address');
    let bound = port;
    for (const { address } of addresses) {
      try {
        bound = await this.#listenOn(address, bound);
      } catch (cause) {
        error = cause;
      }
    }
    if (this.#servers.length === 0) {
      throw error;
    }
    return bound;
  }

  /** Takes no new connections. */
  stop(): void {
    for (const server of this.#servers) {
      server.close();
    }
  }

  destroyAll(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #listenOn(host: string, port: number): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => this.#connected(socket));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        // An accept failed (no descriptor, no memory): the peer tries again. Without a listener it would end the process.
        server.on('error', () => undefined);
        this.#servers.push(server);
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  #connected(socket: Socket): void {
    const { max, handshakeMs, clock, accept, refused } = this.#options;
    if (this.#sockets.size >= max) {
      socket.destroy();
      refused('limit');
      return;
    }
    this.#sockets.add(socket);
    let stopTimer = clock.after(handshakeMs, () => {
      if (socket.bytesRead < HANDSHAKE_BYTES) {
        refused('handshake');
        socket.destroy();
      }
    });
    socket.on('error', () => undefined);
    socket.once('finish', () => {
      stopTimer();
      stopTimer = clock.after(LINGER_MS, () => socket.destroy());
    });
    socket.once('close', () => {
      stopTimer();
      this.#sockets.delete(socket);
    });
    accept(socket);
  }
}
