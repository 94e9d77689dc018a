import { type AddressInfo, connect, Server } from 'node:net';
import { expect, test } from 'vitest';
import { Connections } from '../../src/grpc/connections.js';
import { systemClock } from '../../src/segment/clock.js';

const ENOBUFS = -105;

interface Listening {
  readonly _handle: { onconnection(status: number, client: undefined): void };
}

/** As libuv tells Node of an accept(2) that failed. */
function failAccept(port: number): void {
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles();
  for (const handle of handles) {
    if (handle instanceof Server && (handle.address() as AddressInfo | null)?.port === port) {
      (handle as unknown as Listening)._handle.onconnection(ENOBUFS, undefined);
    }
  }
}

test('an accept that fails does not end the process, and the next connection is taken', async () => {
  let accepted = 0;
  const connections = new Connections({
    max: 10,
    handshakeMs: 10_000,
    clock: systemClock,
    accept: () => accepted++,
    refused: () => undefined,
  });
  const port = await connections.listen('127.0.0.1', 0);
  expect(() => failAccept(port)).not.toThrow();
  const socket = connect(port, '127.0.0.1');
  await expect.poll(() => accepted).toBe(1);
  socket.destroy();
  connections.stop();
  connections.destroyAll();
});
