/**
 * The ceiling: logweir's own gRPC server and definition of the service, with a handler that throws the bytes away. Both are
 * taken from the build in dist/, so that it can not drift from what it is compared with.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type * as Configuration from '../../src/config.js';
import type { createServer as CreateServer } from '../../src/grpc/bare-server.js';
import type { WriteLogAck } from '../../src/grpc/generated/logging/v1/WriteLogAck.js';
import type { WriteLogResponse } from '../../src/grpc/generated/logging/v1/WriteLogResponse.js';
import type { logServiceDefinition as Definition } from '../../src/grpc/log-service.js';
import type * as Receiving from '../../src/grpc/receive-budget.js';
import type * as Clocks from '../../src/segment/clock.js';
import { announce } from './announce.js';
import { REPOSITORY } from './repository.js';

const fromDist = async (path: string) => import(pathToFileURL(join(REPOSITORY, 'dist', path)).href);
const { createServer }: { createServer: typeof CreateServer } = await fromDist('grpc/bare-server.js');
const { logServiceDefinition }: { logServiceDefinition: typeof Definition } = await fromDist('grpc/log-service.js');
const { ReceiveBudget }: typeof Receiving = await fromDist('grpc/receive-budget.js');
const { readConfig }: typeof Configuration = await fromDist('config.js');
const { systemClock }: typeof Clocks = await fromDist('segment/clock.js');

const config = readConfig({});
const server = createServer(config, new ReceiveBudget(config.maxReceiveBytes, systemClock));
server.addService(logServiceDefinition, {
  WriteLogStream: (call: ServerReadableStream<Buffer, WriteLogResponse>, respond: sendUnaryData<WriteLogResponse>) => {
    let frames = 0;
    call.on('data', () => {
      frames++;
    });
    call.on('end', () => {
      respond(null, {
        frames_received: frames,
        status: 'ACKNOWLEDGED',
        frames_written: 0,
        duplicates: 0,
        sessions: [],
        durable: false,
      });
    });
  },
  WriteLogBatches: (call: ServerDuplexStream<Buffer, WriteLogAck>) => {
    let batchId = 0;
    call.on('data', () => {
      // They count from 1: knowing the id without reading the bytes is the generator's gift to the ceiling.
      batchId++;
      call.write({ batch_id: batchId, durable: false, sessions: [], rejected: [], duplicates: 0 });
    });
    call.on('end', () => call.end());
  },
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), announce);
process.once('SIGTERM', () => server.forceShutdown());
