import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** Takes connections and says nothing. */
export class TcpSink implements AsyncDisposable {
  readonly address: string;
  readonly connected: Promise<unknown>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.connected = once(server, 'connection');
    server.on('connection', (socket) => this.#sockets.add(socket.on('error', () => undefined)));
  }

  static async start(): Promise<TcpSink> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpSink(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }
}
