/**
 * The ceiling: logweir's own gRPC server and definition of the service, with a handler that throws the bytes away. Both are
 * taken from the build in dist/, so that it can not drift from what it is compared with.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ServerCredentials, type ServerReadableStream, type sendUnaryData } from '@grpc/grpc-js';
import type { WriteLogResponse } from '../../src/grpc/generated/logging/v1/WriteLogResponse.js';
import type { logServiceDefinition as Definition } from '../../src/grpc/log-service.js';
import type { createServer as CreateServer } from '../../src/grpc/server.js';
import { announce } from './announce.js';
import { REPOSITORY } from './repository.js';

/** The default of LOG_MAX_FRAME_BYTES. */
const FRAME_BYTES_MAX = 1_048_576;

const fromDist = async (path: string) => import(pathToFileURL(join(REPOSITORY, 'dist/grpc', path)).href);
const { createServer }: { createServer: typeof CreateServer } = await fromDist('server.js');
const { logServiceDefinition }: { logServiceDefinition: typeof Definition } = await fromDist('log-service.js');

const server = createServer(FRAME_BYTES_MAX);
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
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), announce);
process.once('SIGTERM', () => server.forceShutdown());
