// The built service over a disk that takes DISK_BYTES_PER_SECOND and no more, however many write at once, and that stands still for
// DISK_STALL_MS of each 10 s.
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../dist/config.js';
import { nodeFiles } from '../../dist/segment/node-files.js';
import { startService } from '../../dist/service.js';
import { createLogger } from '../../dist/telemetry/logger.js';

const { DISK_BYTES_PER_SECOND, DISK_STALL_MS, ...environment } = process.env;
const CYCLE_MS = 10_000;
const worksMs = CYCLE_MS - Number(DISK_STALL_MS);
const bytesPerMs = Number(DISK_BYTES_PER_SECOND) / 1000;
let freeAtMs = 0;

/** One transfer after the other. */
async function transfer(bytes) {
  const nowMs = performance.now();
  freeAtMs = Math.max(freeAtMs, nowMs) + bytes / bytesPerMs;
  if (freeAtMs % CYCLE_MS > worksMs) {
    freeAtMs += CYCLE_MS - (freeAtMs % CYCLE_MS);
  }
  await sleep(freeAtMs - nowMs);
}

const files = {
  ...nodeFiles,
  async open(path, mode) {
    const file = await nodeFiles.open(path, mode);
    return {
      async write(buffer, offset, length, position) {
        await transfer(length);
        return file.write(buffer, offset, length, position);
      },
      read: (...range) => file.read(...range),
      datasync: () => file.datasync(),
      truncate: (length) => file.truncate(length),
      size: () => file.size(),
      close: () => file.close(),
    };
  },
};

const logger = createLogger('info');
const service = await startService(readConfig(environment), { logger, version: 'narrow disk', files });
const addresses = { grpc: `127.0.0.1:${service.grpcPort}`, http: `http://127.0.0.1:${service.httpPort}` };
logger.info(addresses, 'ready');
process.once('SIGTERM', () => void service.stop().then(() => process.exit(0)));
