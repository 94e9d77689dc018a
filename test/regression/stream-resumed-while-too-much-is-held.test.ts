import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';
import type { Files } from '../../src/segment/files.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { startService } from '../../src/service.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { LogClient } from '../support/log-client.js';
import { temporaryDirectory } from '../support/session-room.js';

const QUEUE_BYTES = 65_536;
const BUDGETS = {
  LOG_MAX_QUEUE_BYTES: `${QUEUE_BYTES}`,
  LOG_MAX_SESSION_QUEUE_BYTES: `${QUEUE_BYTES}`,
  LOG_MAX_FRAME_BYTES: `${QUEUE_BYTES}`,
};

/** Who comes here waits until it is opened. */
class Gate {
  isShut = false;
  reached = 0;
  #open: () => void = () => undefined;
  #opened: Promise<void> = Promise.resolve();

  shut(): void {
    this.isShut = true;
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.isShut = false;
    this.#open();
  }

  async pass(): Promise<void> {
    this.reached++;
    await this.#opened;
  }
}

function gated(syncs: Gate, histories: Gate, lookups: Gate): Files {
  return {
    ...nodeFiles,
    async stat(path) {
      if (path.endsWith('sessions/late')) {
        await histories.pass();
      }
      return nodeFiles.stat(path);
    },
    async open(path, mode) {
      if (mode === 'read') {
        await lookups.pass();
      }
      const file = await nodeFiles.open(path, mode);
      return {
        read: (...args) => file.read(...args),
        write: (...args) => file.write(...args),
        size: () => file.size(),
        close: () => file.close(),
        truncate: (length) => file.truncate(length),
        async datasync() {
          await syncs.pass();
          await file.datasync();
        },
      };
    },
  };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Long enough for what must not happen. */
const aMoment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 500));

// A stream that was paused twice in a row went on after the first pause; what it brought then could be forgotten: the end of the
// stream did not wait for a number that was still looked up, and the call was answered OK.
test('a stream whose last frame is a conflict is refused, though the process was over its budget before that frame', async () => {
  await using directory = await temporaryDirectory();
  const [syncs, histories, lookups] = [new Gate(), new Gate(), new Gate()];
  const env = { LOG_DIR: directory.path, GRPC_PORT: '0', HTTP_PORT: '0', ...BUDGETS };
  const service = await startService(readConfig(env), {
    logger: createLogger('silent'),
    version: 'test',
    files: gated(syncs, histories, lookups),
  });
  using client = new LogClient(`127.0.0.1:${service.grpcPort}`);
  expect(await client.write([{ session_id: 'numbered', seq: 1, content: 'one' }])).toMatchObject({ ok: true });
  expect(await client.write([{ session_id: 'large', content: 'x' }])).toMatchObject({ ok: true });

  syncs.shut();
  histories.shut();
  lookups.shut();
  const stream = client.open();
  await stream.send({ session_id: 'late', content: 'its session has to be looked up' });
  await stream.send({ session_id: 'numbered', seq: 1, content: 'another one' });
  await until(() => histories.reached > 0);
  const content = 'x'.repeat(40_000);
  const large = client.write([
    { session_id: 'large', content },
    { session_id: 'large', content },
  ]);
  await until(() => service.unfinished().queueBytes > QUEUE_BYTES);
  histories.open();
  await aMoment();
  syncs.open();
  await until(() => lookups.reached > 0);
  await aMoment();
  const answer = stream.finish();
  await Promise.race([answer, aMoment()]);
  lookups.open();

  expect(await answer).toMatchObject({ ok: false, code: status.ALREADY_EXISTS });
  expect(await large).toMatchObject({ ok: true });
  await service.stop();
});
