import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

const BATCH_ID_1 = Buffer.from([0x08, 1]);
const EMPTY_FRAME = Buffer.from([0x12, 0]);

// Two million of them fit into one message: 300 MB of places and reasons, and 3.5 s of a busy process.
test('a batch of more than 65,536 frames is refused as a whole, and one of fewer has each frame named in bounded acknowledgements', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  const tooMany = client.openBatches();
  tooMany.sendRaw(Buffer.concat([BATCH_ID_1, Buffer.alloc(2 * 65_537, EMPTY_FRAME)]));
  expect(await tooMany.ended).toEqual({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining('batch has more than 65536 frames') as string,
  });

  const many = client.openBatches();
  const good = Buffer.concat([Buffer.from([0x12, 3, 0x1a, 1]), Buffer.from('s')]);
  many.sendRaw(Buffer.concat([BATCH_ID_1, Buffer.alloc(2 * 65_535, EMPTY_FRAME), good]));
  await many.acknowledged(1);
  expect((await many.finish()).code).toBe(status.OK);
  const rejected = many.acks.flatMap((ack) => ack.rejected);
  expect(rejected.map(({ index }) => index)).toEqual(Array.from({ length: 65_535 }, (_, index) => index));
  expect(new Set(rejected.map(({ field }) => field))).toEqual(new Set(['session_id']));
  expect(Math.max(...many.acks.map((ack) => ack.rejected.length))).toBeLessThanOrEqual(4000);
  expect(await storedLines(directory.path, 's')).toHaveLength(1);
});
