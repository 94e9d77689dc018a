import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  Client,
  type ClientDuplexStream,
  credentials,
  makeClientConstructor,
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type ServiceDefinition,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import {
  type AnyDefinition,
  fromJSON,
  loadFileDescriptorSetFromBuffer,
  loadSync,
  type MessageTypeDefinition,
} from '@grpc/proto-loader';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { addReflection } from '../../src/grpc/reflection.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROTOS = join(ROOT, 'protos');
const BUF = join(ROOT, 'node_modules/.bin/buf');
const LOG_SERVICE = 'logging.v1.LogService';
const LOGGING_FILE = 'services/logging/v1/logging.proto';
const TIMESTAMP_FILE = 'google/protobuf/timestamp.proto';
const STRUCT_FILE = 'google/protobuf/struct.proto';
const VERSIONS = ['v1', 'v1alpha'] as const;

/** Everything a proto file can declare, and imports in a diamond. */
const FIXTURE = {
  'a.proto': `syntax = "proto2";
    package every.kind;
    import "b.proto";
    import "c.proto";
    message Outer {
      message Inner { enum Depth { DEEP = 0; } optional Depth depth = 1; }
      optional Inner inner = 1;
      oneof choice { string word = 2; int32 number = 3; }
      map<string, Inner> named = 4;
      extensions 100 to 199;
      extend Outer { optional string inner_note = 101; }
    }
    enum Colour { RED = 0; }
    extend Outer { optional string note = 100; }
    service Asks { rpc Ask(Outer) returns (Outer); }`,
  'b.proto': 'syntax = "proto3"; package every.kind; import "d.proto"; message B { D d = 1; }',
  'c.proto': 'syntax = "proto3"; package every.kind; import "d.proto"; message C { D d = 1; }',
  'd.proto': 'syntax = "proto3"; package every.kind; message D {}',
  'bare.proto': 'syntax = "proto3"; message Bare {} service BareService { rpc Do(Bare) returns (Bare); }',
};

let directory: string;
let loggingSet: Buffer;
let fixtureSet: Buffer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'logweir-reflection-'));
  loggingSet = await buildSet(PROTOS, 'logging.binpb');
  await mkdir(join(directory, 'fixture'));
  for (const [name, text] of Object.entries(FIXTURE)) {
    await writeFile(join(directory, 'fixture', name), text);
  }
  fixtureSet = await buildSet(join(directory, 'fixture'), 'fixture.binpb');
});

afterAll(() => rm(directory, { recursive: true, force: true }));

async function buildSet(protos: string, name: string): Promise<Buffer> {
  const output = join(directory, name);
  const { code, stderr } = await buf('build', protos, '--as-file-descriptor-set', '-o', output);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return readFile(output);
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function buf(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [BUF, ...args], { cwd: tmpdir(), timeout: 30_000 }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
    child.stdin?.end();
  });
}

const running: { close(): void }[] = [];

afterEach(() => {
  for (const each of running.splice(0)) {
    each.close();
  }
});

function serviceOf(file: string, name: string): ServiceDefinition {
  const definition = loadSync(file, { includeDirs: [PROTOS], keepCase: true })[name];
  if (definition === undefined || 'format' in definition) {
    throw new Error(`${file} has no service ${name}`);
  }
  return definition;
}

/** A server with reflection and a LogService that counts frames. Resolves to its address. */
async function startServer(descriptorSet: Buffer, services: readonly string[]): Promise<string> {
  const server = new Server();
  server.addService(serviceOf(LOGGING_FILE, LOG_SERVICE), {
    WriteLogStream: (call: ServerReadableStream<object, object>, respond: sendUnaryData<object>) => {
      let frames = 0;
      call.on('data', () => frames++);
      call.on('end', () =>
        frames === 0
          ? respond({ code: status.INVALID_ARGUMENT, details: 'no frames' })
          : respond(null, { frames_received: frames, status: 'ACKNOWLEDGED' }),
      );
    },
  });
  addReflection(server, descriptorSet, services);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  running.push({ close: () => server.forceShutdown() });
  return `127.0.0.1:${port}`;
}

interface ReflectionRequest {
  readonly host?: string;
  readonly file_by_filename?: string;
  readonly file_containing_symbol?: string;
  readonly file_containing_extension?: { readonly containing_type: string; readonly extension_number: number };
  readonly all_extension_numbers_of_type?: string;
  readonly list_services?: string;
}

interface ReflectionResponse {
  readonly valid_host: string;
  readonly original_request: ReflectionRequest;
  readonly file_descriptor_response?: { readonly file_descriptor_proto: Buffer[] };
  readonly all_extension_numbers_response?: { readonly base_type_name: string; readonly extension_number?: number[] };
  readonly list_services_response?: { readonly service: { readonly name: string }[] };
  readonly error_response?: { readonly error_code: number; readonly error_message: string };
}

type ReflectionStream = ClientDuplexStream<ReflectionRequest, ReflectionResponse>;

function reflectionStream(address: string, version: (typeof VERSIONS)[number] = 'v1'): ReflectionStream {
  const service = serviceOf(
    `grpc/reflection/${version}/reflection.proto`,
    `grpc.reflection.${version}.ServerReflection`,
  );
  const ReflectionClient = makeClientConstructor(service, 'ServerReflection');
  const client = new ReflectionClient(address, credentials.createInsecure());
  running.push(client);
  const open = client.ServerReflectionInfo?.bind(client);
  return open();
}

/** Sends all requests, half-closes, and takes the answers until the server ends the stream. */
async function ask(stream: ReflectionStream, ...requests: ReflectionRequest[]): Promise<ReflectionResponse[]> {
  for (const request of requests) {
    stream.write(request);
  }
  stream.end();
  const answers: ReflectionResponse[] = [];
  for await (const answer of stream) {
    answers.push(answer);
  }
  return answers;
}

/** Another codec than the one under test, for what is needed of descriptors here. */
const CODEC = fromJSON({
  nested: {
    FileDescriptorSet: { fields: { file: { rule: 'repeated', type: 'bytes', id: 1 } } },
    FileDescriptorProto: { fields: { name: { type: 'string', id: 1 } } },
  },
});

function typeOf(name: string): MessageTypeDefinition<object, object> {
  const type = CODEC[name];
  if (type === undefined || !isMessageType(type)) {
    throw new Error(`no message type ${name}`);
  }
  return type;
}

function isMessageType(definition: AnyDefinition): definition is MessageTypeDefinition<object, object> {
  return definition.format === 'Protocol Buffer 3 DescriptorProto';
}

function setOf(files: readonly Buffer[]): Buffer {
  return typeOf('FileDescriptorSet').serialize({ file: files });
}

/** The files of a descriptor set by their names. */
function filesOf(descriptorSet: Buffer): Map<string, Buffer> {
  const files: Buffer[] = Object.values(typeOf('FileDescriptorSet').deserialize(descriptorSet))[0];
  return new Map(files.map((file) => [Object.values(typeOf('FileDescriptorProto').deserialize(file))[0], file]));
}

function fileNames(response: ReflectionResponse | undefined): string[] {
  return [...filesOf(setOf(response?.file_descriptor_response?.file_descriptor_proto ?? [])).keys()];
}

describe.each(VERSIONS)('buf curl through reflection %s', (version) => {
  const curl = (url: string, ...args: string[]) =>
    buf('curl', '--protocol', 'grpc', '--http2-prior-knowledge', '--reflect-protocol', `grpc-${version}`, ...args, url);

  it('calls a method it has no schema of', async () => {
    const address = await startServer(loggingSet, [LOG_SERVICE]);
    const frames = '{"session_id":"a","time":"2026-11-21T10:00:00Z","metadata":{"k":[1]}} {"session_id":"a","seq":"2"}';
    const { code, stdout, stderr } = await curl(`http://${address}/${LOG_SERVICE}/WriteLogStream`, '-d', frames);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ framesReceived: 2, status: 'ACKNOWLEDGED' });
  });

  it('lists the services', async () => {
    const address = await startServer(loggingSet, [LOG_SERVICE]);
    expect(await curl(`http://${address}`, '--list-services')).toEqual({
      code: 0,
      stdout: `${LOG_SERVICE}\n`,
      stderr: '',
    });
  });

  it('lists the methods', async () => {
    const address = await startServer(loggingSet, [LOG_SERVICE, `grpc.reflection.${version}.ServerReflection`]);
    const { code, stdout, stderr } = await curl(`http://${address}`, '--list-methods');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toContain(`${LOG_SERVICE}/WriteLogStream`);
    expect(stdout.split('\n')).toContain(`grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`);
  });

  it('ends with eight times the code of a call that failed', async () => {
    const address = await startServer(loggingSet, [LOG_SERVICE]);
    const { code, stderr } = await curl(`http://${address}/${LOG_SERVICE}/WriteLogStream`, '-d', '');
    expect(JSON.parse(stderr)).toEqual({ code: 'invalid_argument', message: 'no frames' });
    expect(code).toBe(8 * status.INVALID_ARGUMENT);
  });

  it('fails on a service, a method and a field that are not there', async () => {
    const address = await startServer(loggingSet, [LOG_SERVICE]);
    const noService = await curl(`http://${address}/logging.v1.Nobody/Do`);
    expect(noService.stderr).toContain('logging.v1.Nobody');
    const noMethod = await curl(`http://${address}/${LOG_SERVICE}/Nothing`);
    expect(noMethod.stderr).toContain('Nothing');
    const noField = await curl(`http://${address}/${LOG_SERVICE}/WriteLogStream`, '-d', '{"nothing":1}');
    expect(noField.stderr).toContain('nothing');
    expect([noService.code, noMethod.code, noField.code]).toEqual([1, 1, 1]);
  });
});

describe.each(VERSIONS)('reflection %s', (version) => {
  it('answers each kind of request in the order of the requests, and ends', async () => {
    const stream = reflectionStream(await startServer(loggingSet, [LOG_SERVICE]), version);
    const requests: ReflectionRequest[] = [
      { host: 'first', list_services: '*' },
      { file_by_filename: TIMESTAMP_FILE },
      { file_containing_symbol: LOG_SERVICE },
      { file_containing_extension: { containing_type: 'logging.v1.LogFrame', extension_number: 7 } },
      { all_extension_numbers_of_type: 'logging.v1.LogFrame' },
      { host: 'last', list_services: '' },
    ];
    const ended = new Promise((resolve) => stream.on('status', resolve));
    const answers = await ask(stream, ...requests);
    expect(answers.map((each) => each.original_request)).toEqual(requests);
    const files = filesOf(loggingSet);
    const bytesOf = (...names: string[]) => names.map((name) => files.get(name));
    expect(answers).toMatchObject([
      { valid_host: 'first', list_services_response: { service: [{ name: LOG_SERVICE }] } },
      { file_descriptor_response: { file_descriptor_proto: bytesOf(TIMESTAMP_FILE) } },
      { file_descriptor_response: { file_descriptor_proto: bytesOf(LOGGING_FILE, STRUCT_FILE, TIMESTAMP_FILE) } },
      { error_response: { error_code: status.NOT_FOUND } },
      { all_extension_numbers_response: { base_type_name: 'logging.v1.LogFrame' } },
      { valid_host: 'last', list_services_response: { service: [{ name: LOG_SERVICE }] } },
    ]);
    expect(await ended).toMatchObject({ code: status.OK });
  });
});

describe('reflection', () => {
  it('finds the file of every kind of symbol', async () => {
    const stream = reflectionStream(await startServer(fixtureSet, []));
    const symbols = [
      'every.kind.Asks',
      'every.kind.Asks.Ask',
      'every.kind.Outer',
      'every.kind.Outer.Inner',
      'every.kind.Outer.Inner.Depth',
      'every.kind.Outer.Inner.DEEP',
      'every.kind.Outer.Inner.depth',
      'every.kind.Outer.NamedEntry',
      'every.kind.Outer.choice',
      'every.kind.Outer.word',
      'every.kind.Outer.inner_note',
      'every.kind.Colour',
      'every.kind.RED',
      'every.kind.note',
      'every.kind.D',
      'Bare',
      'BareService',
      'BareService.Do',
    ];
    const answers = await ask(stream, ...symbols.map((symbol) => ({ file_containing_symbol: symbol })));
    const found = answers.map((answer) => fileNames(answer)[0]);
    expect(found).toEqual([...Array.from({ length: 14 }, () => 'a.proto'), 'd.proto', ...Array(3).fill('bare.proto')]);
  });

  it('sends a file first and everything it imports after it, once', async () => {
    const stream = reflectionStream(await startServer(fixtureSet, []));
    const answers = await ask(stream, { file_by_filename: 'a.proto' }, { file_by_filename: 'b.proto' });
    expect(answers.map(fileNames)).toEqual([
      ['a.proto', 'b.proto', 'c.proto', 'd.proto'],
      ['b.proto', 'd.proto'],
    ]);
  });

  it('sends the bytes of the set, also what no codec here knows', async () => {
    // Field 15,000 of a FileDescriptorProto is nobody's.
    const odd = Buffer.concat([Buffer.from('\x0a\x09odd.proto'), Buffer.from([0xc2, 0xa9, 0x07, 0x02, 0xff, 0xfe])]);
    // Sets are joined by putting one behind the other.
    const set = Buffer.concat([loggingSet, setOf([odd])]);
    const stream = reflectionStream(await startServer(set, []));
    const [answer] = await ask(stream, { file_by_filename: 'odd.proto' });
    expect(answer?.file_descriptor_response?.file_descriptor_proto).toEqual([odd]);
  });

  it('sends what a client can build the service from', async () => {
    const stream = reflectionStream(await startServer(loggingSet, []));
    const [answer] = await ask(stream, { file_containing_symbol: 'logging.v1.LogService.WriteLogStream' });
    const files = answer?.file_descriptor_response?.file_descriptor_proto ?? [];
    expect(Object.keys(loadFileDescriptorSetFromBuffer(setOf(files))[LOG_SERVICE] ?? {})).toEqual([
      'WriteLogStream',
      'WriteLogBatches',
      'CompleteSession',
    ]);
  });

  it('answers what is not there with NOT_FOUND, and goes on', async () => {
    const stream = reflectionStream(await startServer(loggingSet, [LOG_SERVICE]));
    const answers = await ask(
      stream,
      { file_containing_symbol: 'logging.v1.Nobody' },
      { file_containing_symbol: 'logging.v1' },
      { file_containing_symbol: '' },
      { file_by_filename: 'logging.proto' },
      { file_by_filename: '__proto__' },
      { all_extension_numbers_of_type: LOG_SERVICE },
      { all_extension_numbers_of_type: 'Nobody' },
      { list_services: '' },
    );
    const codes = answers.map((answer) => answer.error_response?.error_code);
    expect(codes).toEqual([...Array(7).fill(status.NOT_FOUND), undefined]);
    expect(answers[0]?.error_response?.error_message).toBe('no symbol logging.v1.Nobody');
    expect(answers[7]?.list_services_response?.service).toEqual([{ name: LOG_SERVICE }]);
  });

  it('answers a request that asks nothing with UNIMPLEMENTED', async () => {
    const stream = reflectionStream(await startServer(loggingSet, []));
    const answers = await ask(stream, { host: 'h' }, {});
    expect(answers.map((answer) => answer.error_response?.error_code)).toEqual([12, 12]);
  });

  it('lists a service only when it can describe it', async () => {
    const services = [LOG_SERVICE, 'logging.v1.Nobody', 'logging.v1.LogFrame'];
    const [answer] = await ask(reflectionStream(await startServer(loggingSet, services)), { list_services: '' });
    expect(answer?.list_services_response?.service).toEqual([{ name: LOG_SERVICE }]);
  });

  it('ends a stream of no requests with OK', async () => {
    expect(await ask(reflectionStream(await startServer(loggingSet, [])))).toEqual([]);
  });

  it('ends a call whose bytes are no request with INTERNAL, and serves the next', async () => {
    const address = await startServer(loggingSet, [LOG_SERVICE]);
    const client = new Client(address, credentials.createInsecure());
    running.push(client);
    const identity = (bytes: Buffer) => bytes;
    const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
    for (const malformed of ['\x3a\x05ab', '\x00', '\x0f']) {
      const call = client.makeBidiStreamRequest(path, identity, identity);
      const error = new Promise<ServiceError>((resolve) => call.on('error', resolve));
      call.on('data', () => undefined);
      call.write(Buffer.from(malformed));
      expect((await error).code).toBe(status.INTERNAL);
    }
    const [answer] = await ask(reflectionStream(address), { list_services: '' });
    expect(answer?.list_services_response?.service).toHaveLength(1);
  });

  it('stops reading requests while the answers are not read, and loses none', async () => {
    const address = await startServer(loggingSet, [LOG_SERVICE]);
    const session = connect(`http://${address}`);
    running.push(session);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    // An answer is some 14 kB and a question 1 kB, HTTP/2's window 64 kB each way: both fill theirs many times over.
    const question = Buffer.concat([Buffer.from([0x1a, LOGGING_FILE.length]), Buffer.from(LOGGING_FILE)]);
    const padded = Buffer.concat([Buffer.from([0x0a, 0x80, 0x08]), Buffer.alloc(1024, 'h'), question]);
    const message = Buffer.concat([Buffer.from([0, 0, 0, padded.length >> 8, padded.length & 0xff]), padded]);
    let taken = 0;
    for (let sent = 0; sent < 400; sent++) {
      stream.write(message, () => taken++);
    }
    stream.end();
    await sleep(500);
    const takenUnread = taken;
    expect(takenUnread).toBeLessThan(300);

    let received = 0;
    const lengths: number[] = [];
    const chunks: Buffer[] = [];
    for await (const chunk of stream) {
      received += chunk.length;
      chunks.push(chunk);
    }
    const whole = Buffer.concat(chunks, received);
    for (let position = 0; position < whole.length; position += 5 + whole.readUInt32BE(position + 1)) {
      lengths.push(whole.readUInt32BE(position + 1));
    }
    expect(taken).toBe(400);
    expect(lengths).toHaveLength(400);
    expect(new Set(lengths).size).toBe(1);
  });

  it('outlives a client that leaves amid its answers', async () => {
    const address = await startServer(loggingSet, [LOG_SERVICE]);
    const left = reflectionStream(address);
    const error = new Promise<ServiceError>((resolve) => left.on('error', resolve));
    for (let sent = 0; sent < 500; sent++) {
      left.write({ file_by_filename: LOGGING_FILE });
    }
    left.once('data', () => left.cancel());
    expect((await error).code).toBe(status.CANCELLED);
    const [answer] = await ask(reflectionStream(address), { list_services: '' });
    expect(answer?.list_services_response?.service).toHaveLength(1);
  });

  it('refuses a set that lacks an import, and one that is malformed', () => {
    const withoutImports = setOf([filesOf(fixtureSet).get('b.proto')!]);
    expect(() => addReflection(new Server(), withoutImports, [])).toThrow('lacks d.proto, which b.proto imports');
    expect(() => addReflection(new Server(), loggingSet.subarray(0, -1), [])).toThrow('malformed');
  });
});
