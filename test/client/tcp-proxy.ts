/** Stands between a client and its server, and fails as networks do. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class TcpProxy implements AsyncDisposable {
  /** Called for what passes from client to server, before it is passed on. */
  onRequestBytes: (count: number) => void = () => {};
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answering = new Set<Socket>();
  #isFrozen = false;
  #isClosed = false;

  private constructor(targetPort: number) {
    this.#server = createServer((client) => {
      if (this.#isClosed) {
        client.resetAndDestroy();
        return;
      }
      this.connections++;
      const target = connect(targetPort, '127.0.0.1');
      this.#pass(client, target, (count) => this.onRequestBytes(count));
      this.#pass(target, client, () => {});
      this.#answering.add(target);
      target.on('close', () => this.#answering.delete(target));
    });
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resets every open connection. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.resetAndDestroy();
    }
  }

  /** Resets every connection, and new ones as well until `open`. */
  close(): void {
    this.#isClosed = true;
    this.cut();
  }

  open(): void {
    this.#isClosed = false;
  }

  /** Takes nothing in and passes nothing on. */
  freeze(): void {
    this.#isFrozen = true;
    for (const socket of this.#sockets) {
      socket.pause();
    }
  }

  /** Takes answers in and does not pass them on; what goes to the server passes. */
  holdAnswers(): void {
    for (const socket of this.#answering) {
      socket.pause();
    }
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const socket of this.#sockets) {
      socket.resume();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  #pass(from: Socket, to: Socket, onBytes: (count: number) => void): void {
    this.#sockets.add(from);
    from.on('data', (bytes) => {
      onBytes(bytes.length);
      if (!to.destroyed && !to.write(bytes)) {
        from.pause();
      }
    });
    to.on('drain', () => {
      if (!this.#isFrozen) {
        from.resume();
      }
    });
    from.on('error', () => {});
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    if (this.#isFrozen) {
      from.pause();
    }
  }
}
